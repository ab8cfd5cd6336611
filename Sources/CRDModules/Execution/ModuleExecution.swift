// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// `crd -x`: replaces this process by a support module, or by a user module's check (execve(2)).
public struct ModuleExecution: Error, CustomStringConvertible {
    /// As in shells: 127 if the file does not exist, 126 if it cannot be executed.
    public let exitCode: CInt
    public let description: String

    private init(_ exitCode: CInt, _ description: String) {
        self.exitCode = exitCode
        self.description = description
    }

    /// Executes the module; returns only on failure.
    ///
    /// Arguments are neither examined nor converted to `String`, which would alter invalid UTF-8.
    ///
    /// - Parameters:
    ///   - argv: the module's arguments, null-terminated; the executable's path replaces the first.
    ///   - warn: called with problems that do not prevent the execution.
    public static func become(
        _ name: String, argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        configuration: ConfigurationFile, warn: (String) -> Void
    ) -> ModuleExecution {
        guard let module = ModuleName(name), !ModuleName.isSkipped(name) else {
            return ModuleExecution(127, "'\(name)' cannot be a module's name")
        }
        let settings = configuration.configuration
        let support = FilePath(settings.support).appending(name).appending(name)
        let check = FilePath(settings.modules).appending(name).appending(Role.check.fileName)
        if FileStatus(of: support, followingLinks: false) != nil {
            return become(supportModule: name, at: support, argv)
        }
        if FileStatus(of: check, followingLinks: false) != nil {
            return become(checkOf: module, argv, configuration, warn)
        }
        let directory = check.removingLastComponent()
        return ModuleExecution(
            127,
            "there is no module \(module): neither \(support) nor \(check) is there"
                + ExecutableName.advice(for: Role.check.rawValue, in: directory)
                + "; 'crd list' shows those that exist")
    }

    // MARK: A support module

    /// Keeps the caller's working directory, environment and signals, except that it sets
    /// `CRD_SUPPORT`: the caller may be a module itself.
    private static func become(
        supportModule name: String, at path: FilePath,
        _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) -> ModuleExecution {
        do throws(FileRefusal) {
            let rule = OwnershipRule()
            try rule.verify(path.removingLastComponent())
            try rule.verifyExecutable(path, ownedAlsoBy: nil)
        } catch {
            return ModuleExecution(126, "\(error)")
        }
        setenv("CRD_SUPPORT", name, 1)
        do throws(ModuleExecution) {
            let file = try holdOff(leasesOn: path)
            withExtendedLifetime(file) {
                path.withPlatformString {
                    argv[0] = UnsafeMutablePointer(mutating: $0)
                    _ = execve($0, argv, environ)
                }
            }
        } catch {
            return error
        }
        return refusal(of: path, "execve '\(path)': \(Errno(rawValue: errno))")
    }

    // MARK: A user module

    /// Runs the check as the daemon would, but in our session and with our standard output and
    /// standard error.
    private static func become(
        checkOf name: ModuleName, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        _ configuration: ConfigurationFile, _ warn: (String) -> Void
    ) -> ModuleExecution {
        let isRoot = geteuid() == 0
        // The daemon may run as root even if we do not.
        let module = ModuleDirectories(configuration.configuration, switchesUsers: true)
            .contents(of: name)
        if let complaint = module.complaints.first { return ModuleExecution(126, "\(complaint)") }
        let own = UserAccount.daemon
        let account = isRoot ? module.accounts[.check] ?? own : own
        let state = FilePath(configuration.configuration.state)
        let directories = ModuleStateDirectories(of: module, below: state)
        do {
            try module.verify(.check, under: OwnershipRule())
            let file = try holdOff(leasesOn: module.executable(.check))
            defer { withExtendedLifetime(file) {} }
            try makeState(directories, StateLayout(state), isRoot, warn)
            let events = try MemoryFile(name: "crd-events", [])
            let input = try Descriptor.open("/dev/null", O_RDONLY)
            var environment = CommonEnvironment.block(
                for: account, module.manifest.environment, configuration)
            environment.append(
                contentsOf: CommonEnvironment.own(
                    name, .check, state: directories.path(of: .check)))
            environment.append(run: runID, .request, events: 0, dropped: 0)
            let request = ChildProcess.Request(
                path: module.executable(.check).string, environment: environment,
                directory: module.directory.string,
                descriptors: (
                    input.rawValue, STDOUT_FILENO, STDERR_FILENO, events.descriptor
                ), user: account.uid == own.uid ? nil : account)
            if let user = request.user, Terminal.isReachable {
                return try run(
                    request, as: user, argv, grace: configuration.configuration.grace)
            }
            let error = withExtendedLifetime(events) {
                ChildProcess.become(request, argv: argv)
            }
            return failure(error, of: module.executable(.check))
        } catch {
            return error as? ModuleExecution ?? ModuleExecution(126, "\(error)")
        }
    }

    /// Runs the check in a session of its own and passes its output on. With our terminal, the
    /// role's user could type commands for our shell (ioctl_tty(2), `TIOCSTI`) and read what we type.
    ///
    /// - Returns: only on failure; otherwise this process ends as the check did.
    private static func run(
        _ request: ChildProcess.Request, as user: UserAccount,
        _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, grace: Duration
    ) throws -> ModuleExecution {
        var arguments: [String] = []
        var next = argv + 1
        while let argument = next.pointee {
            guard let text = String(validatingCString: argument) else {
                return ModuleExecution(
                    126,
                    "an argument is not UTF-8, and such an argument cannot be passed on while crd has a terminal; run crd with setsid(1), and with its input, output and errors redirected"
                )
            }
            arguments.append(text)
            next += 1
        }
        let program = ForegroundProgram(
            path: request.path, arguments: arguments, environment: request.environment,
            directory: request.directory, timeout: .seconds(366 * 24 * 3_600), grace: grace,
            keepsLeftovers: true, user: user)
        let interruption = try InterruptSignals()
        do {
            let ending = try program.run(
                output: EchoSink(to: STDOUT_FILENO, unless: interruption),
                errors: EchoSink(to: STDERR_FILENO, unless: interruption),
                interruption: interruption)
            switch ending {
            case .ended(.exited(let code)): exit(CInt(code))
            case .ended(.signaled(let signal)), .interrupted(let signal): exit(128 + signal)
            case .ended, .timedOut, .cut: exit(124)
            }
        } catch let error as SpawnError {
            return failure(error, of: FilePath(request.path))
        }
    }

    /// Creates the state directories. A failure is only a warning, since the daemon also runs a
    /// module whose state cannot be stored.
    private static func makeState(
        _ directories: ModuleStateDirectories, _ layout: StateLayout, _ isRoot: Bool,
        _ warn: (String) -> Void
    ) throws(FileRefusal) {
        do {
            if isRoot { try layout.make() }
        } catch let refusal as FileRefusal {
            throw refusal
        } catch {
            return warn("\(error); the module has no CRD_STATE")
        }
        do throws(SystemCallError) {
            for former in try directories.make() { warn("\(former)") }
        } catch {
            // Without root, the directory may belong to the daemon's user and not to us.
            if isRoot { warn("\(error); the module has no CRD_STATE") }
        }
    }

    /// The calling run's id, so that the new program ends with that run; otherwise an id that no
    /// daemon takes for one of its runs.
    private static var runID: String {
        if let run = getenv("CRD_RUN"), run[0] != 0 { return String(cString: run) }
        return runPrefix + String(UInt64.random(in: 0..<(1 << 48)), radix: 36)
    }

    private static let runPrefix = "x-"

    // MARK: Refusals

    /// Holds off write leases, for which execve(2) would wait. Returns nil for a file that cannot be
    /// read: execve(2) tells more.
    private static func holdOff(
        leasesOn path: FilePath
    ) throws(ModuleExecution) -> SharedDescriptor? {
        do {
            return try WriteLease.holdOff(path)
        } catch let held as WriteLease.Held {
            throw ModuleExecution(126, "\(held)")
        } catch {
            return nil
        }
    }

    private static func failure(_ error: SpawnError, of executable: FilePath) -> ModuleExecution {
        error.isOfExecutable
            ? refusal(of: executable, "\(error)") : ModuleExecution(126, "\(error)")
    }

    /// Explains why the kernel refused to execute a file: the file's content tells more than an
    /// errno.
    private static func refusal(of path: FilePath, _ error: String) -> ModuleExecution {
        let objection = ExecutableJudgement().objection(to: path, as: path.string)
        return ModuleExecution(126, objection.map { "\(path) \($0.reason)" } ?? error)
    }
}
