// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a repository is: a git URL, a local path, or GitHub's `owner/name`.
public struct RepositoryLocation: Hashable, Sendable, CustomStringConvertible {
    /// As git takes it (git-fetch(1), "GIT URLS").
    public let url: String

    /// What git may fetch over: no helper that would execute what a URL says.
    public static let protocols = ["file", "git", "http", "https", "ssh"]

    /// Why it is no location, completing "LOCATION …", and what would be one.
    public struct Malformed: Error, Equatable {
        public let reason: String
    }

    /// - Parameter directory: where a path that begins with `./` or `../` begins; nil where only
    ///   absolute ones make sense.
    public init(parsing text: String, from directory: String?) throws(Malformed) {
        if let reason = Self.objection(to: text) { throw Malformed(reason: reason) }
        let isRelative =
            text == "." || text == ".." || text.hasPrefix("./") || text.hasPrefix("../")
        if text.hasPrefix("/") {
            url = Self.path(text, from: "")
        } else if isRelative {
            guard let directory else {
                throw Malformed(reason: "is a relative path; write the whole path")
            }
            url = Self.path(text, from: directory)
        } else if let scheme = Self.scheme(of: text) {
            guard Self.protocols.contains(scheme) else {
                throw Malformed(
                    reason: "begins with '\(scheme)', over which crd does not fetch; it does over "
                        + Self.protocols.joined(separator: ", "))
            }
            // The protocols are compared as they are written here.
            url = scheme + text.dropFirst(scheme.count)
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

    /// One place by one name: without empty components and `.`, and without the `..` that lead up from
    /// the directory, which is none that a link leads to (getcwd(3)). Others may follow a link, which
    /// nobody has looked at.
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
        return PlainText.isPlain(text) ? nil : "has control characters"
    }

    private static let lengthMax = 2_048

    /// What stands before `://`, or before `::`, by which git calls helpers.
    private static func scheme(of text: String) -> String? {
        let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
        let rest = text[name.endIndex...]
        guard !name.isEmpty, rest.hasPrefix("://") || rest.hasPrefix("::") else { return nil }
        return name.lowercased()
    }

    /// ssh's short form, `[user@]host:path`: a colon before the first slash.
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

    /// For messages: without what may be a password or a token.
    public var description: String { Self.withoutSecrets(url) }

    /// The same of any text, be it a location or not: without what stands before the host's `@`, and
    /// behind a question mark.
    public static func withoutSecrets(_ text: String) -> String {
        guard let rest = rest(of: text) else { return text }
        let user = secretUser(of: text)
        let shown = text[(user?.endIndex ?? rest.startIndex)...]
        let plain = shown.prefix { $0 != "?" }
        return text[..<rest.startIndex] + (user == nil ? "" : "***") + plain
            + (plain.endIndex == shown.endIndex ? "" : "?***")
    }

    /// Another program's words about it, without the same.
    public func withoutSecrets(in text: String) -> String {
        let shown = Self.replace(url, with: description, in: text)
        guard let user = Self.secretUser(of: url) else { return shown }
        return Self.replace("\(user)@", with: "***@", in: shown)
    }

    private static func replace(_ word: String, with other: String, in text: String) -> String {
        text.split(separator: word, omittingEmptySubsequences: false).joined(separator: other)
    }

    /// What follows `scheme://`.
    private static func rest(of url: String) -> Substring? {
        guard let scheme = scheme(of: url) else { return nil }
        let rest = url.dropFirst(scheme.count)
        return rest.hasPrefix("://") ? rest.dropFirst("://".count) : nil
    }

    /// What stands before the host's `@`, unless it is no more than the name of ssh's user.
    private static func secretUser(of url: String) -> Substring? {
        guard let host = rest(of: url)?.prefix(while: { $0 != "/" }),
            let at = host.lastIndex(of: "@")
        else { return nil }
        let user = host[..<at]
        return scheme(of: url) == "ssh" && !user.contains(":") ? nil : user
    }
}
