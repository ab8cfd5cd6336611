// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// The support module of the example repository, against a real server.
@Suite(
    "The support module webhook", .takesTurns,
    .enabled(if: WebServer.isPossible, "\(WebServer.needs)"))
struct WebhookTests {
    private static let source = "\(Repository.path)/examples/repository/support/webhook"

    /// A machine with the module, and a server.
    private final class Site {
        let world: World
        let server: WebServer
        /// `CRD_STATE`.
        let state: String

        init(_ options: [String] = []) async throws {
            world = try World()
            server = try await WebServer(options, in: world.directory)
            state = try world.makeDirectory("module-state")
            try Program.startingOrWriting.withLock {
                let copy = "\(world.directory)/support/webhook"
                try FileManager.default.copyItem(atPath: WebhookTests.source, toPath: copy)
                // Whatever the checkout's modes are.
                for file in try FileManager.default.subpathsOfDirectory(atPath: copy) + [""] {
                    chmod("\(copy)/\(file)", 0o755)
                }
            }
        }

        var hook: String { "\(server.url)/hook" }

        var environment: [String: String] {
            World.environment.merging([
                "CRD_CONFIG": world.configuration, "CRD_STATE": state,
            ]) { $1 }
        }

        /// A file with these bytes.
        func file(_ bytes: some Sequence<UInt8>, mode: mode_t = 0o600) throws -> String {
            let path = try world.write("", to: "file-\(UInt32.random(in: 0 ... .max))", mode: mode)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return path
        }

        /// Runs `crd -x webhook` to its end.
        func post(
            _ input: some Sequence<UInt8>, _ arguments: [String],
            environment more: [String: String] = [:]
        ) async throws -> Outcome {
            try await .of(
                [Binary.path, "-x", "webhook"] + arguments,
                environment: environment.merging(more) { $1 }, input: file(input),
                in: world.directory)
        }

        func post(_ input: String, _ arguments: [String]) async throws -> Outcome {
            try await post(input.utf8, arguments)
        }

        /// Starts it, and waits until the server has its request.
        func begin(
            _ arguments: [String], environment more: [String: String] = [:]
        ) async throws -> Program {
            let program = try Program(
                [Binary.path, "-x", "webhook"] + arguments,
                environment: environment.merging(more) { $1 }, input: file("{}".utf8),
                output: world.log, errors: world.log)
            try await eventually("the server is asked") {
                if program.hasEnded { throw Trouble("webhook ended at once: \(world.lines)") }
                return try !server.requests.isEmpty
            }
            return program
        }

        /// Names in the directories that it may write to.
        var leftovers: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: state)) ?? ["no \(state)"]
        }
    }

    private static func family(of pid: pid_t) -> [pid_t] {
        [pid] + Processes.children(of: pid).flatMap { family(of: $0) }
    }

    // MARK: What is sent

    @Test("sends standard input byte for byte, up to 1 MiB, and says nothing")
    func bytes() async throws {
        let site = try await Site()
        let most = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
        for input in [Array("{\"a\": 1}\n".utf8), [], Array("@/etc/passwd".utf8), most] {
            let outcome = try await site.post(input, [site.hook])
            #expect(outcome.code == 0 && outcome.output + outcome.errors == "", "\(outcome)")
            let request = try #require(try site.server.requests.last)
            // A million bytes are no help in a complaint.
            let isSame = request.body == Data(input)
            #expect(isSame, "\(request.body.count) bytes for \(input.count)")
            #expect(request.method == "POST" && request.path == "/hook")
            #expect(request.headers["content-type"] == "application/json")
            #expect(request.headers["authorization"] == nil)
        }
        for options in [[], ["--text"]] {
            let outcome = try await site.post(most + [0], options + [site.hook])
            #expect(outcome.code == 65 && outcome.output == "", "\(outcome)")
            #expect(outcome.errors.contains("more than 1 MiB"), "\(outcome)")
        }
        #expect(try site.server.requests.count == 4)
    }

    @Test("makes JSON of any text")
    func text() async throws {
        let site = try await Site()
        let plain = [
            "", "\n", "\n\n", "one\ntwo\n", " \t x\r\n", #"say "hi", C:\new\u0041"#,
            "\u{1}\u{1F}\u{7F}", "\u{8}\u{C}\0", "äöü ß € – Ω", "😀 𝕏 \u{10FFFF}\u{FFFF}",
            "\u{2028}\u{FEFF}", "</script>",
            String(repeating: "=", count: 1_000),
        ].map { Array($0.utf8) }
        // Not UTF-8: alone, cut short, too long, half of a pair, beyond the last character.
        let broken: [[UInt8]] = [
            [0xFF], [0x41, 0x80, 0x42], [0xC3], [0xC3, 0x28], [0xC3, 0x0A], [0xE2, 0x82],
            [0xE2, 0x82, 0x41], [0xF0, 0x9F, 0x98], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80],
            [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80], [0xF0, 0xF0, 0x9F, 0x98, 0x80], Array(0...255),
            Array((0...255).reversed()),
        ]
        for input in plain + broken {
            let outcome = try await site.post(input, ["--text", site.hook])
            #expect(outcome.code == 0 && outcome.output + outcome.errors == "", "\(outcome)")
            let request = try #require(try site.server.requests.last)
            #expect(request.body.allSatisfy { (0x20..<0x7F).contains($0) }, "\(request.text)")
            let expected = input.last == 0x0A ? input.dropLast() : input[...]
            #expect(
                request.jsonText == String(decoding: expected, as: UTF8.self),
                "\(input): \(request.text)")
        }
        #expect(try site.server.requests.count == plain.count + broken.count)
    }

    @Test("is all that a response needs to tell somebody what the check has found")
    func response() async throws {
        let site = try await Site()
        try site.world.module(
            "Full", check: #"printf 'disk "/" is full\n95 %% used\n'"#,
            response: "crd -x webhook --text '\(site.hook)'")
        try await site.world.start()
        let module = try await site.world.runs(1, of: "Full")
        #expect(module.last?.response == "exit code 0", "\(site.world.lines)")
        let requests = try site.server.requests
        #expect(requests.map(\.jsonText) == ["disk \"/\" is full\n95 % used"])
        let state = "\(site.world.directory)/state/modules/Full"
        #expect(try FileManager.default.contentsOfDirectory(atPath: state) == [])
        let verdict = try await site.world.crd(["check-config"])
        #expect(verdict.code == 0 && verdict.output == "", "\(verdict)")
    }

    // MARK: Secrets

    @Test("no program has a token or a URL from a file in its arguments or its environment")
    func secrets() async throws {
        let gate = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(atPath: gate) }
        let site = try await Site(["--until", "\(gate)/open"])
        let mark = "\(UInt64.random(in: 0 ... .max))"
        let token = #"to"k\e"# + mark
        let program = try await site.begin(
            [
                "--token-file", site.file("\(token)\n".utf8, mode: 0o640),
                "--url-file", site.file("\(site.hook)/\(mark)?key=\(mark)".utf8),
            ],
            // If exported, these variables would carry whatever the module puts into them.
            environment: ["token": "x", "url": "x", "content": "x", "path": "x", "shown": "x"])
        let family = Self.family(of: program.pid)
        #expect(family.map(Processes.name).contains("curl"), "it is under way")
        for pid in family {
            #expect(FileManager.default.contents(atPath: "/proc/\(pid)/environ")?.isEmpty == false)
        }
        #expect(Processes.mentioning(mark).map(Processes.name) == [])
        try Data().write(to: URL(fileURLWithPath: "\(gate)/open"))
        #expect(try await program.end() == 0)
        let request = try #require(try site.server.requests.first)
        #expect(request.headers["authorization"] == "Bearer \(token)")
        #expect(request.path == "/hook/\(mark)?key=\(mark)")
    }

    @Test("messages leave out what may be secret")
    func messages() async throws {
        let site = try await Site(["--answers", "400"])
        let place = site.hook.dropFirst("http://".count)
        let given = try await site.post("{}", ["http://me:sesame@\(place)/x?key=sesame#sesame"])
        #expect(given.code == 1)
        #expect(given.errors.hasPrefix("webhook: http://\(place)/x: refused: HTTP status 400;"))
        let url = try site.file("\(site.hook)/sesame".utf8)
        let read = try await site.post("{}", ["--url-file", url])
        #expect(read.code == 1)
        #expect(read.errors.hasPrefix("webhook: \(site.server.url)/...: refused: HTTP status 400;"))
        let mistaken = try await site.post("{}", ["--token=sesame", site.hook])
        #expect(mistaken.code == 64)
        for errors in [given.errors, read.errors, mistaken.errors] {
            #expect(!errors.contains("sesame"), "\(errors)")
            #expect(errors.split(separator: "\n").count == 1, "\(errors)")
        }
        #expect(try site.server.requests.count == 2)
    }

    @Test("refuses a token that cannot be one, or that everybody can read")
    func badTokens() async throws {
        let site = try await Site()
        for (content, mode, complaint) in [
            ("", 0o600, "is empty"), ("\n", 0o600, "is empty"),
            ("sesame\nX-Evil: 1\n", 0o600, "printable ASCII"),
            ("sesame\nopen\n", 0o600, "more than one line"),
            ("sesame\r\n", 0o600, "printable ASCII"), ("ses\0ame", 0o600, "printable ASCII"),
            ("sesäme", 0o600, "printable ASCII"),
            (String(repeating: "sesame", count: 2_000), 0o600, "8192"),
            ("sesame", 0o604, "chmod o="), ("sesame", 0o602, "chmod o="),
        ] as [(String, mode_t, String)] {
            for option in ["--token-file", "--url-file"] {
                let file = try site.file(content.utf8, mode: mode)
                let rest = option == "--url-file" ? [] : [site.hook]
                let outcome = try await site.post("{}", [option, file] + rest)
                #expect(outcome.code == 64 && outcome.output == "", "\(content): \(outcome)")
                #expect(outcome.errors.contains(complaint), "\(outcome)")
                #expect(!outcome.errors.contains("sesame"), "\(outcome)")
            }
        }
        for file in ["/nowhere", "/", site.world.directory] {
            let outcome = try await site.post("{}", ["--token-file", file, site.hook])
            #expect(outcome.code == 64 && outcome.errors.contains("cannot be read"), "\(outcome)")
        }
        #expect(try site.server.requests.isEmpty)
    }

    // MARK: How it ends

    @Test("tries again until the server takes it, waiting as long as it asks for")
    func retries() async throws {
        // The second connection ends without an answer.
        let site = try await Site(["--answers", "503,0,200", "--retry-after", "2"])
        let outcome = try await site.post("{\"a\":1}", [site.hook])
        #expect(outcome.code == 0 && outcome.output + outcome.errors == "", "\(outcome)")
        let requests = try site.server.requests
        #expect(requests.map(\.text) == Array(repeating: "{\"a\":1}", count: 3))
        try #require(requests.count == 3)
        // Its own first pause would be one second, its second is two.
        #expect(requests[1].time - requests[0].time >= 1.9)
        #expect(requests[2].time - requests[1].time >= 1.9)
    }

    @Test("gives up in the end, and at once where the server asks for too much patience")
    func givesUp() async throws {
        let site = try await Site(["--answers", "503,503,500,429,408"])
        let twice = try await site.post("{}", ["--tries", "2", site.hook])
        #expect(twice.code == 2 && twice.output == "", "\(twice)")
        #expect(twice.errors.contains("\(site.hook): given up (--tries 2): HTTP status 503; "))
        for _ in 0..<3 {
            let once = try await site.post("{}", ["--tries", "1", site.hook])
            #expect(once.code == 2 && once.errors.contains(": HTTP status "), "\(once)")
        }
        #expect(try site.server.requests.count == 5)

        let busy = try await Site(["--answers", "503,200", "--retry-after", "3600"])
        let outcome = try await busy.post("{}", [busy.hook])
        #expect(outcome.code == 2, "\(outcome)")
        #expect(try busy.server.requests.count == 1)

        // Nobody listens there.
        let nobody = try await site.post("{}", ["--tries", "2", "http://127.0.0.1:1/"])
        #expect(nobody.code == 2 && nobody.errors.contains("connect to 127.0.0.1"), "\(nobody)")
        #expect(nobody.errors.split(separator: "\n").count == 1, "\(nobody)")
    }

    @Test("does not try again what the server refuses, nor goes where it is sent")
    func refused() async throws {
        let statuses = [400, 401, 403, 404, 410, 413, 422, 301, 302, 307]
        let site = try await Site([
            "--answers", statuses.map(String.init).joined(separator: ","),
        ])
        for status in statuses {
            let outcome = try await site.post("{}", [site.hook])
            #expect(outcome.code == 1 && outcome.output == "", "\(outcome)")
            #expect(outcome.errors.contains(": HTTP status \(status)"), "\(outcome)")
        }
        let requests = try site.server.requests
        #expect(requests.map(\.path) == Array(repeating: "/hook", count: statuses.count))
    }

    @Test("has its own exit code for being called in a wrong way")
    func usage() async throws {
        let site = try await Site()
        let hook = site.hook
        let file = try site.file(hook.utf8)
        for arguments in [
            [], ["--text"], [hook, hook], [hook, "--text"], ["--nothing", hook], ["-t", hook],
            ["--tries", "0", hook], ["--tries", "11", hook], ["--tries", "", hook],
            ["--tries", "1x", hook], ["--tries"], ["--token-file"], ["--url-file", file, hook],
            [""], ["ftp://127.0.0.1/"], ["file:///etc/passwd"], ["127.0.0.1"], ["http://"],
            ["http://?x"], ["http:///x"], ["http://:80/"], ["\(hook) x"], ["\(hook)\"x"],
            ["\(hook)\nurl = \(hook)"], ["\(hook)\\x"], ["\(hook){1,2}"], ["http://ümlaut/"],
            ["http://127.0.0.1:port/"], ["http://[::1]:x/"], ["http://::1/"],
        ] {
            let outcome = try await site.post("{}", arguments)
            #expect(outcome.code == 64 && outcome.output == "", "\(arguments): \(outcome)")
            #expect(outcome.errors.hasPrefix("webhook: "), "\(arguments): \(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(arguments): \(outcome)")
        }
        #expect(try site.server.requests.isEmpty)
        // Characters that a URL may contain.
        let odd = "/~a_b!$&'()*+,;=:@%20[1-2]/"
        #expect(try await site.post("{}", ["--", "\(hook)\(odd)?x=1"]).code == 0)
        #expect(try site.server.requests.last?.path == "/hook\(odd)?x=1")

        let missing = try await site.post(
            "{}".utf8, [hook], environment: ["PATH": "/nowhere"])
        #expect(missing.code == 69 && missing.errors.contains("install it"), "\(missing)")
    }

    @Test("has a help and a reference that name the same options")
    func help() async throws {
        let site = try await Site()
        let help = try await site.post("", ["--help"])
        #expect(help.code == 0 && help.errors == "", "\(help)")
        let readme = try String(contentsOfFile: "\(Self.source)/README.md", encoding: .utf8)
        func options(_ text: String) -> Set<String> {
            Set(text.matches(of: #/--[a-z]+(-[a-z]+)*/#).map { String($0.output.0) })
        }
        #expect(options(help.output).count == 5)
        #expect(options(help.output) == options(readme))
    }

    @Test("leaves no file, whatever ends it, and no process")
    func leavesNothing() async throws {
        let site = try await Site(["--answers", "200,400,200", "--delay", "0.5"])
        #expect(try await site.post("{}", [site.hook]).code == 0)
        #expect(site.leftovers == [])
        #expect(try await site.post("{}", ["--text", site.hook]).code == 1)
        #expect(site.leftovers == [])

        let slow = try await Site(["--delay", "1000000"])
        let terminated = try await slow.begin([slow.hook])
        #expect(slow.leftovers == [], "nothing has a name while it waits")
        let family = Self.family(of: terminated.pid)
        #expect(family.map(Processes.name).contains("curl"), "it is under way")
        terminated.send(SIGTERM)
        #expect(try await terminated.end() == 128 + SIGTERM)
        try await eventually("curl has gone too") { family.allSatisfy { !Processes.exists($0) } }
        #expect(slow.leftovers == [])
        #expect(try slow.server.requests.count == 1, "nobody has gone on trying")
        // Without CRD_STATE.
        let other = try slow.world.makeDirectory("other")
        let elsewhere = try await slow.post(
            "".utf8, ["--tries", "1", "http://127.0.0.1:1/"],
            environment: ["CRD_STATE": "", "TMPDIR": other])
        #expect(elsewhere.code == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: other) == [])
        let nowhere = try await slow.post(
            "".utf8, [slow.hook], environment: ["CRD_STATE": "", "TMPDIR": "/nowhere"])
        #expect(nowhere.code == 2 && nowhere.errors.contains("/nowhere"), "\(nowhere)")
    }

    // MARK: Beside it

    @Test(
        "install says what is missing, and rollback undoes nothing",
        arguments: [
            ("curl 7.71.0 (x86_64)\nProtocols: http https", ""),
            ("curl 8.17.0-DEV (x86_64)\nProtocols: dict https http", ""),
            ("curl 10.0.0\nProtocols: https", ""),
            ("curl 7.70.0 (x86_64)\nProtocols: http https", "7.71"),
            ("curl 6.99.0 (x86_64)\nProtocols: http https", "7.71"),
            ("something else", "7.71"),
            ("curl 8.5.0 (x86_64)\nProtocols: http", "https"),
        ])
    func install(curl: String, complaint: String) async throws {
        let world = try World()
        try world.makeDirectory("bin")
        try world.script("cat <<'END'\n\(curl)\nEND", at: "bin/curl")
        let environment = ["PATH": "\(world.directory)/bin:/usr/bin:/bin"]
        let outcome = try await Outcome.of(
            ["\(Self.source)/install"], environment: environment, in: world.directory)
        #expect(outcome.code == (complaint.isEmpty ? 0 : 1), "\(outcome)")
        #expect(outcome.errors.isEmpty == complaint.isEmpty && outcome.output == "", "\(outcome)")
        #expect(complaint.isEmpty || outcome.errors.contains(complaint), "\(outcome)")
        let missing = try await Outcome.of(
            ["\(Self.source)/install"], environment: ["PATH": "/nowhere"], in: world.directory)
        #expect(missing.code == 1 && missing.errors.contains("apt-get install"), "\(missing)")
        let rollback = try await Outcome.of(
            ["\(Self.source)/rollback"], environment: ["PATH": "/nowhere"], in: world.directory)
        #expect(rollback.code == 0 && rollback.output + rollback.errors == "", "\(rollback)")
    }

    @Test("the repository's check passes on what crd and shellcheck say")
    func check() async throws {
        let world = try World()
        try world.makeDirectory("bin")
        try world.script(
            "printf '%s\\n' \"$PWD\" \"$@\" >>'\(world.notes)/crd'; exit $CRD_SAYS", at: "bin/crd")
        try world.script(
            "printf '%s\\n' \"$@\" >>'\(world.notes)/shellcheck'; exit $SHELLCHECK_SAYS",
            at: "bin/shellcheck")
        let repository = "\(Repository.path)/examples/repository"
        for (crd, shellcheck, code) in [(0, 0, 0), (1, 0, 1), (0, 1, 1), (127, 0, 2)] {
            world.remove(note: "crd")
            world.remove(note: "shellcheck")
            let outcome = try await Outcome.of(
                ["\(repository)/check"],
                environment: [
                    "PATH": "\(world.directory)/bin:/usr/bin:/bin", "CRD_SAYS": "\(crd)",
                    "SHELLCHECK_SAYS": "\(shellcheck)",
                ], in: world.directory)
            #expect(outcome.code == code, "\(outcome)")
            #expect(outcome.output == (code == 0 ? "The repository is in order.\n" : ""))
            #expect(world.notedLines("crd") == [repository, "check-repository", "."])
            guard code != 2 else { continue }
            let scripts = ["webhook", "install", "rollback"].map { "./support/webhook/\($0)" }
            #expect(
                Set(world.notedLines("shellcheck")) == Set(scripts + ["-x", "./check"]))
        }
    }
}
