// SPDX-License-Identifier: GPL-3.0-or-later

import CTestSupport
import Foundation
import SystemPackage
import TestSupport

@testable import CRDCore
@testable import CRDLinux

/// A tree that undergoes random operations, and a source that watches it for a few modules.
///
/// What a module must be told is observed, not modelled: a check sees the tree as it is when told
/// to look, so in the end each module's view must equal its last one. What must be watched is found
/// by walking the tree, and compared with the kernel's list (`/proc/self/fdinfo`, proc(5)).
final class PathWorld {
    let directory: TemporaryDirectory
    let base: String
    private let source: PathSource
    private var random: SplitMix64
    private let triggers: [PathTrigger]
    /// Those watched at the moment: modules come and go.
    private var armed: Set<Int>
    /// What each module could see when it was told to look.
    private var seen: [View] = []
    private(set) var story: [String] = []

    init(seed: UInt64) throws {
        random = SplitMix64(seed: seed)
        directory = try TemporaryDirectory()
        base = directory.path.string
        source = try PathSource()
        // Half of the worlds are scanned a few entries at a time.
        if random.percent(50) { source.scanShare = Int(random.below(20)) + 1 }
        triggers = Self.triggers(below: base)
        armed = Set(triggers.indices)
        try directory.make("t/a")
        try directory.link("l", to: "t/a")
        var events: [Event] = []
        source.arm(triggers.enumerated().map { (.module(ModuleID($0)), $1) }, into: &events)
        seen = triggers.map(view)
    }

    private static func triggers(below base: String) -> [PathTrigger] {
        let names = try? (include: Glob(parsing: "*.g"), exclude: Glob(parsing: "c"))
        return [
            PathTrigger(path: base + "/t", isRecursive: true),
            PathTrigger(
                path: base + "/t", isRecursive: true, include: [names!.include],
                exclude: [names!.exclude]),
            PathTrigger(path: base + "/t/a"),
            PathTrigger(path: base + "/t/a/b", isRecursive: true),
            PathTrigger(path: base + "/t/a/f"),
            PathTrigger(path: base + "/t/b/c/d/f.g"),
            PathTrigger(path: base + "/l/a"),
            PathTrigger(path: base + "/l", isRecursive: true),
        ]
    }

    // MARK: What is done

    private func name() -> String { random.pick(["a", "b", "c", "d", "f", "f.g"]) }

    /// A path in the tree, mostly one whose directory exists.
    private func place() -> String {
        var path = base + "/t/" + name()
        while random.percent(60) && isDirectory(path) { path += "/" + name() }
        return path
    }

    private func isDirectory(_ path: String) -> Bool {
        FileStatus(of: .init(path), followingLinks: false)?.kind == .directory
    }

    /// A random operation as a line of sh, and as a function.
    func draw() -> (command: String, perform: () -> Void) {
        let (one, other) = (place(), place())
        switch random.below(20) {
        case 0..<6: return ("mkdir \(one)", { mkdir(one, 0o755) })
        case 6..<9: return ("[ -d \(one) ] || : >\(one)", { self.write(one, O_CREAT) })
        case 9: return ("[ -f \(one) ] && echo >>\(one)", { self.write(one, O_APPEND) })
        case 10..<12: return ("rm -rf \(one)", { try? FileManager.default.removeItem(atPath: one) })
        case 12: return ("exchange \(one) \(other)", { crd_test_exchange(one, other) })
        case 13..<18: return ("mv -T \(one) \(other)", { rename(one, other) })
        case 18:
            let (target, link) = ("t/" + name(), base + "/l")
            return (
                "ln -s \(target) \(link)~; mv -T \(link)~ \(link)",
                {
                    symlink(target, link + "~")
                    rename(link + "~", link)
                }
            )
        default:
            let (top, away) = (base + "/t", base + "/away")
            if random.percent(50) {
                return (
                    "mv -T \(top) \(away); mkdir \(top)",
                    {
                        rename(top, away)
                        mkdir(top, 0o755)
                    }
                )
            }
            return (
                "rm -rf \(top); mv -T \(away) \(top) || mkdir \(top)",
                {
                    try? FileManager.default.removeItem(atPath: top)
                    if rename(away, top) != 0 { mkdir(top, 0o755) }
                }
            )
        }
    }

    private func write(_ path: String, _ flag: Int32) {
        let file = open(path, O_WRONLY | O_NOFOLLOW | flag, 0o644)
        guard file >= 0 else { return }
        _ = Foundation.write(file, "\n", 1)
        close(file)
    }

    func operate() throws {
        guard !random.percent(4) else { return try change(random.below(triggers.count)) }
        let operation = draw()
        story.append(operation.command.replacing(base, with: ""))
        operation.perform()
    }

    /// A module goes, or comes and is checked at once.
    private func change(_ index: Int) throws {
        let trigger = (PathListener.module(ModuleID(index)), triggers[index])
        // Earlier events have been delivered.
        try drain(completely: false)
        var events: [Event] = []
        if armed.remove(index) != nil {
            source.disarm([trigger], into: &events)
        } else {
            armed.insert(index)
            source.arm([trigger], into: &events)
            seen[index] = view(triggers[index])
        }
        take(events)
        story.append("\(armed.contains(index) ? "arm" : "disarm") \(index)")
    }

    // MARK: What is seen

    /// All that a module can know of its path: each name with its inode and size.
    private typealias View = [String: [UInt64]]

    private func view(_ trigger: PathTrigger) -> View {
        var view: View = [:]
        func add(_ path: String, _ status: stat) {
            let isFile = status.st_mode & S_IFMT == S_IFREG
            view[path] = [UInt64(status.st_ino), isFile ? UInt64(status.st_size) : 0]
        }
        func look(into directory: String) {
            for name in names(in: directory) where trigger.exclude.isEmpty || name != "c" {
                let path = directory + "/" + name
                var status = stat()
                guard lstat(path, &status) == 0 else { continue }
                let isDirectory = status.st_mode & S_IFMT == S_IFDIR
                if isDirectory || trigger.include.isEmpty || name.hasSuffix(".g") {
                    add(path, status)
                }
                if isDirectory && trigger.isRecursive { look(into: path) }
            }
        }
        var status = stat()
        guard stat(trigger.path, &status) == 0 else { return [:] }
        add(trigger.path, status)
        if status.st_mode & S_IFMT == S_IFDIR { look(into: trigger.path) }
        return view
    }

    private func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    /// Gives the source one turn, or all that it needs.
    func drain(completely: Bool = true) throws {
        repeat {
            var events: [Event] = []
            try source.drain(into: &events)
            take(events)
        } while completely && (isReady || source.hasBacklog)
    }

    private func take(_ events: [Event]) {
        for case .triggered(let module, _) in events {
            seen[module.index] = view(triggers[module.index])
        }
    }

    private var isReady: Bool {
        var poll = pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0)
        return Foundation.poll(&poll, 1, 0) > 0
    }

    /// What is wrong, once everything was read.
    func faults() throws -> [String] {
        var faults: [String] = []
        for (index, trigger) in triggers.enumerated()
        where armed.contains(index) && view(trigger) != seen[index] {
            faults.append("module \(index) was not told: \(trigger.path.dropFirst(base.count))")
        }
        let (needed, watched) = (needed(), try watched())
        for (inode, path) in needed where !watched.contains(inode) {
            faults.append("\(path) is not watched")
        }
        for inode in watched.subtracting(needed.keys) {
            let everything = FileManager.default.enumerator(atPath: base)
            let path = everything?.first {
                FileStatus(of: .init("\(base)/\($0)"), followingLinks: false)?.inode == inode
            }
            faults.append("\(path ?? "what is gone") is watched for nobody")
        }
        return faults
    }

    /// The inodes that must be watched, each with one of its paths.
    private func needed() -> [UInt64: String] {
        var needed: [UInt64: String] = [:]
        func add(_ path: String) {
            FileStatus(of: .init(path), followingLinks: false).map { needed[$0.inode] = path }
        }
        func addTree(_ path: String, _ trigger: PathTrigger) {
            add(path)
            guard trigger.isRecursive else { return }
            for name in names(in: path) where trigger.exclude.isEmpty || name != "c" {
                if isDirectory(path + "/" + name) { addTree(path + "/" + name, trigger) }
            }
        }
        for (index, trigger) in triggers.enumerated() where armed.contains(index) {
            var (place, rest) = ("", trigger.path.split(separator: "/").map(String.init))
            add("/")
            while !rest.isEmpty {
                let path = place + "/" + rest.removeFirst()
                guard let status = FileStatus(of: .init(path), followingLinks: false) else { break }
                if status.kind == .symbolicLink {
                    let text = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
                    rest = (text ?? "").split(separator: "/").map(String.init) + rest
                    continue
                }
                guard rest.isEmpty || status.kind == .directory else { break }
                place = path
                add(place)
                if rest.isEmpty && status.kind == .directory { addTree(place, trigger) }
            }
        }
        return needed
    }

    private func watched() throws -> Set<UInt64> {
        let info = try String(
            contentsOfFile: "/proc/self/fdinfo/\(source.descriptor)", encoding: .utf8)
        let inodes = info.split(whereSeparator: \.isWhitespace).filter { $0.hasPrefix("ino:") }
        return Set(inodes.compactMap { UInt64($0.dropFirst(4), radix: 16) })
    }

    // MARK: Somebody else

    /// Has another process do so many operations while the source reads.
    func letAnotherOperate(_ count: Int) async throws {
        let commands = (0..<count).map { _ in draw().command }
        let script = try directory.write("script", commands.joined(separator: "\n") + "\n:\n")
        let child = Process()
        child.executableURL = URL(filePath: "/bin/sh")
        child.arguments = [script.string]
        child.standardError = FileHandle.nullDevice
        try child.run()
        while child.isRunning {
            try drain()
            await Task.yield()
        }
        try drain()
    }
}
