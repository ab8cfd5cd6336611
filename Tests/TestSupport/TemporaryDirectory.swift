// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDLinux
import CTestSupport
import Glibc
public import SystemPackage

/// A directory for one test, removed with all its content when dropped.
///
/// Kept by the suite's instance, which outlives its test: a local constant may go earlier.
public final class TemporaryDirectory {
    public let path: FilePath

    /// Calls mkdtemp(3). Owned by root with mode 0755, so that others can enter.
    public init() throws(SystemCallError) {
        var template = Array("/tmp/crd-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SystemCallError(
                function: "mkdtemp", errno: Errno(rawValue: errno), subject: "/tmp")
        }
        path = FilePath(platformString: template)
        _ = path.withPlatformString { chmod($0, 0o755) }
    }

    deinit {
        Self.remove(path)
    }

    public subscript(name: String) -> FilePath { path.appending(name) }

    /// A message as in every run: `BASE` stands for this directory.
    public func plain(_ message: String) -> String {
        message.split(separator: path.string, omittingEmptySubsequences: false)
            .joined(separator: "BASE")
    }

    /// Makes a directory and those above it.
    @discardableResult
    public func make(_ name: String, mode: ModeBits = 0o755) throws(SystemCallError)
        -> FilePath
    {
        try Directory.make(self[name], mode: 0o755)
        try setMode(name, mode)
        return self[name]
    }

    /// Writes a file, in directories that are made if they are missing.
    @discardableResult
    public func write(
        _ name: String, _ text: String, mode: ModeBits = 0o644
    ) throws(SystemCallError) -> FilePath {
        let file = self[name]
        try Directory.make(file.removingLastComponent(), mode: 0o755)
        do {
            let descriptor = try Descriptor.open(file, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try descriptor.writeAll(Array(text.utf8))
        }
        try setMode(name, mode)
        if mode & 0o111 != 0 { try waitUntilNobodyWrites(file) }
        return file
    }

    /// Makes a symbolic link (symlink(2)).
    @discardableResult
    public func link(_ name: String, to target: String) throws(SystemCallError) -> FilePath {
        try systemCall("symlink", on: name) {
            self[name].withPlatformString { symlink(target, $0) }
        }
        return self[name]
    }

    public func setMode(_ name: String, _ mode: ModeBits) throws(SystemCallError) {
        try systemCall("chmod", on: name) { self[name].withPlatformString { chmod($0, mode) } }
    }

    /// Gives the file itself, not what it links to, to another user (lchown(2)).
    public func setOwner(_ name: String, _ owner: UID) throws(SystemCallError) {
        try systemCall("lchown", on: name) {
            self[name].withPlatformString { lchown($0, owner, owner) }
        }
    }

    /// A child that another thread is just starting holds a copy of our descriptor until its
    /// execve(2), and until then the file cannot be executed.
    private func waitUntilNobodyWrites(_ file: FilePath) throws(SystemCallError) {
        let descriptor = try Descriptor.open(file, O_RDONLY)
        while crd_test_is_being_written(descriptor.rawValue) { usleep(100) }
    }

    private static func remove(_ path: FilePath) {
        if FileStatus(of: path, followingLinks: false)?.kind == .directory {
            for name in Directory.entries(of: path) { remove(path.appending(name)) }
            _ = path.withPlatformString { rmdir($0) }
        } else {
            _ = path.withPlatformString { unlink($0) }
        }
    }
}
