// SPDX-License-Identifier: GPL-3.0-or-later

/// The location of a repository: a git URL, a local path, or GitHub's `owner/name`.
public struct RepositoryLocation: Hashable, Sendable, CustomStringConvertible {
    /// The URL in git's syntax (git-fetch(1), "GIT URLS").
    public let url: String

    /// The protocols that git may use. Helpers that execute commands from a URL are not among them.
    public static let protocols = ["file", "git", "http", "https", "ssh"]

    /// Why a text is not a location, and what would be one; to follow the location.
    public struct Malformed: Error, Equatable {
        public let reason: String
    }

    /// - Parameter directory: the directory for paths that begin with `./` or `../`; nil where only
    ///   absolute paths make sense.
    public init(parsing text: String, from directory: String?) throws(Malformed) {
        if let reason = Self.objection(to: text) { throw Malformed(reason: reason) }
        let isRelative =
            text == "." || text == ".." || text.hasPrefix("./") || text.hasPrefix("../")
        if text.hasPrefix("/") {
            url = Self.path(text, from: "")
        } else if isRelative {
            guard let directory else {
                throw Malformed(reason: "is a relative path; give the absolute path")
            }
            url = Self.path(text, from: directory)
        } else if let scheme = Self.scheme(of: text) {
            guard Self.protocols.contains(scheme) else {
                throw Malformed(
                    reason:
                        "begins with '\(scheme)', a protocol that crd does not support; it supports "
                        + Self.protocols.joined(separator: ", "))
            }
            if let reason = Self.objection(toURL: text) { throw Malformed(reason: reason) }
            // Normalized, since protocols are compared as spelled in `protocols`.
            url = scheme + text.dropFirst(scheme.count)
        } else if let mark = text.firstIndex(of: "#") {
            throw Malformed(reason: Self.objection(toFragment: text[mark...]))
        } else if Self.isHostAndPath(text) {
            url = text
        } else if let path = Self.pathAtGitHub(text) {
            url = "https://github.com/\(path)"
        } else {
            throw Malformed(
                reason: "is neither a git URL, nor a path (it begins with /, ./ or ../), nor "
                    + "GitHub's owner/name")
        }
    }

    /// Returns an absolute path, so that one place has one name: without empty components, `.` and
    /// leading `..`. The leading ones can be resolved, since `directory` has no symbolic links
    /// (getcwd(3)). Other `..` stay, since the component before them may be a link.
    private static func path(_ text: String, from directory: String) -> String {
        var parts = directory.split(separator: "/")
        var leadsUp = !directory.isEmpty
        for part in text.split(separator: "/") where part != "." {
            leadsUp = leadsUp && part == ".."
            if leadsUp { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func objection(to text: String) -> String? {
        if text.isEmpty { return "is empty" }
        if text.utf8.count > lengthMax { return "is longer than \(lengthMax) bytes" }
        // git would take it for an option.
        if text.hasPrefix("-") { return "begins with '-'; a path begins with /, ./ or ../" }
        return PrintableText.isPlain(text) ? nil : "has control characters"
    }

    private static let lengthMax = 2_048

    private static func objection(toURL url: String) -> String? {
        guard let rest = rest(of: url) else { return nil }
        if let user = user(of: url) {
            let codes: [Character: String] = ["@": "%40", "/": "%2F", "#": "%23"]
            if let odd = user.first(where: { codes[$0] != nil }), let code = codes[odd] {
                return "has '\(odd)' in the part before its host; write it as \(code) there"
            }
        }
        guard scheme(of: url) != "file", let mark = rest.firstIndex(of: "#") else { return nil }
        return objection(toFragment: rest[mark...])
    }

    private static func objection(toFragment fragment: Substring) -> String {
        // The rest may be part of a password.
        guard !fragment.contains("@") else { return "has a '#', which is written as %23 in a URL" }
        let ref = fragment.dropFirst()
        return
            "has '\(fragment)' at its end, which git does not interpret as a version; leave it "
            + "out, and name a branch, a tag or a commit with --ref\(ref.isEmpty ? "" : " \(ref)")"
    }

    /// Returns the part before `://`, or before `::`, with which git calls helpers.
    private static func scheme(of text: String) -> String? {
        let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
        let rest = text[name.endIndex...]
        guard !name.isEmpty, rest.hasPrefix("://") || rest.hasPrefix("::") else { return nil }
        return name.lowercased()
    }

    /// Returns whether a text is in ssh's short form, `[user@]host:path`: a colon before the first
    /// slash.
    private static func isHostAndPath(_ text: String) -> Bool {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return false }
        return !text[..<colon].contains("/") && text.index(after: colon) != text.endIndex
    }

    private static func pathAtGitHub(_ text: String) -> String? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let isPlain = parts.allSatisfy { part in
            guard let first = part.first, first != ".", first != "-" else { return false }
            return part.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0))
            }
        }
        return isPlain ? text : nil
    }

    /// For messages: the URL without anything that may be a password or a token.
    public var description: String { Self.withoutSecrets(url) }

    /// Returns any text, location or not, without the part before the host's `@` and the part after
    /// a question mark.
    public static func withoutSecrets(_ text: String) -> String {
        guard let rest = rest(of: text) else { return text }
        let user = secretUser(of: text)
        let shown = text[(user?.endIndex ?? rest.startIndex)...]
        let plain = shown.prefix { $0 != "?" }
        return text[..<rest.startIndex] + (user == nil ? "" : "***") + plain
            + (plain.endIndex == shown.endIndex ? "" : "?***")
    }

    /// Returns another program's message about this location, without its secrets.
    public func withoutSecrets(in text: String) -> String {
        var shown = Self.replace(url, with: description, in: text)
        guard let user = Self.secretUser(of: url) else { return shown }
        let password = user.firstIndex(of: ":").map { user[user.index(after: $0)...] }
        // git prints them either as in the URL, or decoded.
        for secret in [user, password].compactMap(\.self).flatMap({
            [String($0), Self.decoded($0)]
        })
        where !secret.isEmpty {
            shown = Self.replace("\(secret)@", with: "***@", in: shown)
            // A short secret may be part of any word.
            if secret.count >= Self.secretMin {
                shown = Self.replace(secret, with: "***", in: shown)
            }
        }
        return shown
    }

    // MARK: For git

    /// A name and a password for the host of a URL.
    public struct Credentials: Hashable, Sendable {
        /// The scheme, host and port that they are for.
        public let origin: String
        public let user: String
        /// Empty if there is only a token, which takes the user's place.
        public let password: String
    }

    /// The URL for a program's arguments, which every user can read (ps(1)): over HTTP without the
    /// part before the host, which is in `credentials`.
    public var publicURL: String {
        guard let user = httpUser else { return url }
        return String(url[..<user.startIndex] + url[user.endIndex...].dropFirst())
    }

    /// The user and password before the host, over HTTP; nil where there are none.
    public var credentials: Credentials? {
        guard let user = httpUser else { return nil }
        let host = url[user.endIndex...].dropFirst().prefix { $0 != "/" && $0 != "?" }
        let parts = user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return Credentials(
            origin: String(url[..<user.startIndex] + host), user: Self.decoded(parts[0]),
            password: parts.count > 1 ? Self.decoded(parts[1]) : "")
    }

    /// Why git must not be given the URL, and what to write instead; to follow the location.
    public var secretObjection: String? {
        guard Self.isHTTP(url) else {
            guard Self.secretUser(of: url) != nil else { return nil }
            return
                "has what may be a password before its host; its protocol has no use for one, and "
                + "every user of this machine could read it while git runs; leave it out"
        }
        if url.contains("?") {
            return
                "has a '?', and every user of this machine could read what follows while git runs; "
                + "write a token before the host: https://TOKEN@HOST/PATH, or https://USER:TOKEN@HOST/PATH"
        }
        guard let credentials else { return nil }
        let isPlain = [credentials.user, credentials.password].allSatisfy {
            $0.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        }
        return isPlain ? nil : "has control characters in the part before its host"
    }

    private static func isHTTP(_ url: String) -> Bool {
        ["http", "https"].contains(scheme(of: url))
    }

    private var httpUser: Substring? { Self.isHTTP(url) ? Self.user(of: url) : nil }

    private static let secretMin = 4

    /// Decodes percent signs followed by two hexadecimal digits.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func replace(_ word: String, with other: String, in text: String) -> String {
        text.split(separator: word, omittingEmptySubsequences: false).joined(separator: other)
    }

    /// The host as ssh's file of known hosts names it (sshd(8)); nil where ssh is not used.
    public var knownHost: String? {
        let rest =
            Self.scheme(of: url) == "ssh"
            ? Self.rest(of: url)?.prefix { $0 != "/" }
            : !url.hasPrefix("/") && Self.scheme(of: url) == nil ? url.prefix { $0 != ":" } : nil
        guard let rest else { return nil }
        let host = rest.lastIndex(of: "@").map { rest[rest.index(after: $0)...] } ?? rest
        guard !host.hasPrefix("["), let colon = host.firstIndex(of: ":") else {
            return String(host)
        }
        let port = host[host.index(after: colon)...]
        return port == "22" ? String(host[..<colon]) : "[\(host[..<colon])]:\(port)"
    }

    /// Returns the part after `scheme://`.
    private static func rest(of url: String) -> Substring? {
        guard let scheme = scheme(of: url) else { return nil }
        let rest = url.dropFirst(scheme.count)
        return rest.hasPrefix("://") ? rest.dropFirst("://".count) : nil
    }

    /// Returns the part of a URL that may be a password or a token.
    private static func secretUser(of url: String) -> Substring? {
        guard let user = user(of: url) else { return nil }
        guard user.contains(":") else { return scheme(of: url) == "ssh" ? nil : user }
        // An unencoded password may continue after its apparent end.
        let end = url.lastIndex(of: "@") ?? user.endIndex
        return url[user.startIndex..<max(end, user.endIndex)]
    }

    /// Returns the part before the host's `@`.
    private static func user(of url: String) -> Substring? {
        guard let rest = rest(of: url) else { return nil }
        var host = rest.prefix { $0 != "/" }
        // A port has only digits: the slash belongs to a password.
        let port = host.lastIndex(of: ":").map { host[host.index(after: $0)...] } ?? ""
        if !host.contains("@"), !host.hasSuffix("]"), !port.allSatisfy(\.isNumber) { host = rest }
        return host.lastIndex(of: "@").map { host[..<$0] }
    }
}
