// swift-tools-version: 6.2
// SPDX-License-Identifier: GPL-3.0-or-later

import PackageDescription

/// What the project's own Swift code is held to.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Checked in every test; in a release it is a tenth of all instructions between an event and
    // its check.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
let strictC: [CSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]
let strictCXX: [CXXSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]

let package = Package(
    name: "CRD",
    products: [.executable(name: "crd", targets: ["crd"])],
    // Exact, so that the same commit gives the same bytes: nothing else pins them.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
    ],
    targets: [
        .target(name: "CLinux", cSettings: strictC),
        .systemLibrary(
            name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(
            name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        .target(name: "CTOML", cxxSettings: strictCXX),
        .target(
            name: "CRDCore",
            dependencies: [
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .target(
            name: "CRDLinux",
            dependencies: [
                "CLinux", "CSystemd", "CPCRE2", "CTOML", "CRDCore",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "CRDModules",
            dependencies: [
                "CRDCore", "CRDLinux", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "CRDDaemon",
            dependencies: [
                "CRDCore", "CRDLinux", "CRDModules",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "crd",
            dependencies: [
                "CRDCore", "CRDLinux", "CRDModules", "CRDDaemon",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CRDCoreTests", dependencies: ["CRDCore", "TestSupport"], swiftSettings: strict),
        .target(name: "CTestSupport", path: "Tests/CTestSupport", cSettings: strictC),
        .target(
            name: "TestSupport",
            dependencies: [
                "CLinux", "CRDCore", "CRDLinux", "CTestSupport",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "CRDLinuxTests",
            dependencies: [
                "CLinux", "CRDLinux", "CTestSupport", "TestSupport",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            exclude: ["Paths/PathScripts"], swiftSettings: strict),
        .testTarget(
            name: "CRDModulesTests",
            dependencies: [
                "CRDModules", "TestSupport", "crd",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CRDDaemonTests",
            dependencies: [
                "CRDCore", "CRDDaemon", "CTestSupport", "crd",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)
