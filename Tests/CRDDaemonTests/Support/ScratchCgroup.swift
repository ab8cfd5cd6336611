// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A cgroup for one test; dropping it removes it with all that lives in it and below it.
class ScratchCgroup {
    let path: String

    /// - Parameter mount: where its hierarchy is mounted.
    init(_ name: String = ScratchCgroup.newName(), in mount: String? = Surroundings.cgroupMount)
        throws
    {
        guard let mount else { throw Trouble("no cgroup2 is mounted") }
        path = "\(mount)/\(name)"
        guard mkdir(path, 0o755) == 0 else { throw Trouble("no cgroup can be made in \(mount)") }
        Janitor.shared.expect(path, "")
    }

    deinit {
        for _ in 0..<200 {
            for directory in subdirectories.reversed() { rmdir("\(path)/\(directory)") }
            if rmdir(path) == 0 || errno == ENOENT { return }
            empty()
            usleep(10_000)
        }
    }

    /// A name that no other test, and no other test run, has.
    static func newName() -> String {
        "crd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    }

    /// A prefix that runs a command inside.
    var prefix: [String] {
        ["/bin/sh", "-c", "echo $$ >'\(path)/cgroup.procs' && exec \"$@\"", "sh"]
    }

    /// Every process in it and below it.
    var members: [pid_t] {
        ([""] + subdirectories).flatMap { name in
            let file = "\(path)/\(name)/cgroup.procs"
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").compactMap { pid_t($0) }
        }
    }

    /// Kills what lives in it.
    func empty() {
        let killer = "\(path)/cgroup.kill"
        if access(killer, F_OK) == 0 {
            try? Data("1".utf8).write(to: URL(fileURLWithPath: killer))
        } else {
            for pid in members { kill(pid, SIGKILL) }
        }
    }

    /// Those above come before those below.
    private var subdirectories: [String] {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []
        var status = stat()
        return names.sorted().filter {
            stat("\(path)/\($0)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        }
    }
}
