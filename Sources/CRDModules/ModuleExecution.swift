// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// `crd -x`: this process becomes a support module, or a user module's check (execve(2)).
public struct ModuleExecution: Error, CustomStringConvertible {
    /// As shells do: 127 for what is not there, 126 for what cannot be executed.
    public let exitCode: CInt
    public let description: String

    /// Returns only if it could not be done.
    ///
    /// The caller's working directory, environment and signals stay as they are, but for
    /// `CRD_SUPPORT`, which names the support module; and no argument is looked at, nor made a `String`, which would repair what is not UTF-8.
    ///
    /// - Parameter argv: the module's, null-terminated; the executable's path takes the place of
    ///   the first.
    public static func become(
        _ name: String, argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        configuration: Configuration
    ) -> ModuleExecution {
        guard let module = ModuleName(name), !ModuleName.isSkipped(name) else {
            return ModuleExecution(
                exitCode: 127, description: "'\(name)' cannot be a module's name")
        }
        let support = FilePath(configuration.support).appending(name).appending(name)
        let check = FilePath(configuration.modules).appending(name).appending(Role.check.rawValue)
        guard
            let path = [support, check].first(where: {
                FileStatus(of: $0, followingLinks: false) != nil
            })
        else {
            return ModuleExecution(
                exitCode: 127,
                description: "there is no module \(module): neither \(support) nor \(check) is "
                    + "there; 'crd list' shows those that are")
        }
        do throws(Refusal) {
            let rule = OwnershipRule()
            try rule.verify(path.removingLastComponent())
            try InstalledModule.verifyExecutable(path, under: rule, ownedAlsoBy: nil)
        } catch {
            return ModuleExecution(exitCode: 126, description: "\(error)")
        }
        // What calls it may be a module itself, whose variables stay as they are.
        if path == support { setenv("CRD_SUPPORT", name, 1) }
        path.withPlatformString {
            argv[0] = UnsafeMutablePointer(mutating: $0)
            _ = execve($0, argv, environ)
        }
        let code = Errno(rawValue: errno)
        let advice =
            code == .execFormatError
            ? "; make '#!/bin/sh' or the like its first line"
            : code == .noSuchFileOrDirectory ? "; is the interpreter of its #! line there?" : ""
        return ModuleExecution(
            exitCode: 126, description: "execve '\(path)': \(code)\(advice)")
    }
}
