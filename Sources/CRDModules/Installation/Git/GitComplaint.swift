// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// Turns git's error output into one sentence that names the place and the remedy.
enum GitComplaint {
    /// Sentences for git's messages; the first match counts.
    private static let meanings:
        [(words: [String], sentence: @Sendable (_ place: String, _ ref: String) -> String)] = [
            (
                ["couldn't find remote ref HEAD"],
                { place, _ in
                    "\(place) has no commit yet, or no default branch; name a branch with --ref"
                }
            ),
            (
                [
                    "couldn't find remote ref", "not our ref", "unadvertised object",
                    "no such remote ref",
                ],
                { place, ref in
                    "\(place) has no branch, tag or commit \(ref); 'git ls-remote' shows those that "
                        + "exist; a commit must be named in full"
                }
            ),
            (
                ["mismatched algorithms"],
                { place, _ in
                    "\(place) names its objects by SHA-256; crd fetches only from repositories "
                        + "that name them by SHA-1, as git usually does"
                }
            ),
            (
                ["Needed a single revision"],
                { place, ref in
                    "\(ref) of \(place) is not a commit; name a branch, a tag or a commit"
                }
            ),
            (
                ["detected dubious ownership"],
                { place, _ in
                    "\(place) belongs to another user, and git refuses other users' repositories; have "
                        + "its owner run 'git bundle create - --all' in it, store what that prints in "
                        + "a file of your own, and name that file"
                }
            ),
            (
                ["dumb http transport"],
                { place, _ in
                    "\(place) is served as plain files (dumb HTTP), from which crd cannot fetch "
                        + "one commit; have its server run git http-backend, or clone it to this "
                        + "machine first, and name the path of the clone with -l"
                }
            ),
            (
                ["promisor remote", "lazy fetching disabled"],
                { place, _ in
                    "\(place) is a partial clone, which lacks objects that exist only where it was "
                        + "cloned from; name that place, or a full clone of it (git clone without --filter)"
                }
            ),
            (
                [
                    "Authentication failed", "could not read Username", "could not read Password",
                    "Permission denied (", "terminal prompts disabled",
                ],
                { place, _ in
                    "\(place) does not exist, or is not public; crd does not ask for passwords: check the "
                        + "address, or give an ssh URL and a key without a passphrase"
                }
            ),
            (
                ["Host key verification failed", "host key is known for"],
                { place, _ in
                    "the host of \(place) is not known to ssh; connect to it once with ssh, compare its "
                        + "key, and try again"
                }
            ),
            (
                [
                    "Could not resolve host", "unable to look up", "Name or service not known",
                    "Temporary failure in name resolution", "Connection refused",
                    "Connection timed out",
                    "Network is unreachable", "No route to host", "Failed to connect",
                    "unable to connect", "Could not connect", "Connection reset", "timed out",
                    "Operation too slow",
                ],
                { place, _ in "\(place) cannot be reached; check the network and the address" }
            ),
            (
                [
                    "does not appear to be a git repository", "not a git repository", "not found",
                    "access denied or repository not exported", "does not exist", "No such file",
                ],
                { place, _ in
                    "there is no git repository at \(place); "
                        + (place.contains("#")
                            ? "a branch, a tag or a commit is named with --ref"
                            : "check the address")
                }
            ),
            (
                ["' not allowed"],
                { place, _ in
                    "\(place) uses a protocol that crd does not support; crd supports "
                        + RepositoryLocation.protocols.joined(separator: ", ")
                }
            ),
            (
                ["server certificate verification failed", "SSL certificate problem"],
                { place, _ in
                    "the certificate of \(place) is not valid here; add its CA to those of "
                        + "this machine (update-ca-certificates), or name the CA's file in "
                        + "SSL_CERT_FILE"
                }
            ),
            (
                ["No space left on device"],
                { place, _ in
                    "\(place) does not fit on the disk; free some space in the directory that 'state' in "
                        + "crd.conf names"
                }
            ),
            (
                ["unable to write file", "unable to create file"],
                { place, _ in
                    "the files of \(place) cannot be written; is there room in the directories that "
                        + "'modules' and 'support' in crd.conf name?"
                }
            ),
            (
                ["File too large", "died of signal 25"],
                { place, _ in
                    "\(place) is larger than the \(Git.fetchSizeText) that crd fetches at most"
                }
            ),
            (
                ["Out of memory", "out of memory"],
                { place, _ in
                    "\(place) needs more memory than crd lets git have, \(Git.memoryText): it has too many "
                        + "branches and tags, or too large a file; put the modules into a repository of "
                        + "their own"
                }
            ),
            (
                ["fsck error", "in strict mode", "invalid path", "Fsck"],
                { place, _ in
                    "\(place) has something in its commit which git refuses as unsafe"
                }
            ),
        ]

    static func sentence(
        _ lines: [String], _ location: RepositoryLocation, _ ref: GitReference,
        ended termination: Termination
    ) -> String {
        let text = lines.joined(separator: "\n")
        let last = lines.last { $0.hasPrefix("fatal: ") } ?? lines.last { $0.hasPrefix("error: ") }
        let unsafe = lines.first { $0.contains("error: object ") }
        let said = location.withoutSecrets(
            in: unsafe ?? other(in: lines) ?? last ?? lines.last ?? "git \(termination.predicate)")
        if termination == .signaled(SIGXFSZ) {
            return "\(location) is larger than the \(Git.fetchSizeText) that crd fetches at most"
        }
        if text.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            return changedHost(location)
        }
        if text.contains("Authentication failed"), location.credentials != nil {
            return
                "\(location) rejects the name and password, or the token, in its URL; check "
                + "them (git says: \(said))"
        }
        let meaning = meanings.first { $0.words.contains(where: text.contains) }
        guard let meaning else { return "git cannot read \(location): \(said)" }
        return "\(meaning.sentence("\(location)", "\(ref)")) (git says: \(said))"
    }

    /// Returns the last line of ssh or of the server, if git itself reports only that it could not
    /// read from the repository.
    private static func other(in lines: [String]) -> String? {
        guard
            let end = lines.firstIndex(where: {
                $0.hasPrefix("fatal: Could not read from remote repository")
            })
        else { return nil }
        return lines[..<end].map { $0.filter { $0 != "\r" } }
            .last { !$0.allSatisfy(\.isWhitespace) }
    }

    private static func changedHost(_ location: RepositoryLocation) -> String {
        let host = location.knownHost ?? "HOST"
        return "the host of \(location) has a different key from the one that ssh knows: its key "
            + "has changed, or somebody else answers in its place. Ask whoever runs it, compare the new "
            + "key, and only then remove the old one: ssh-keygen -R '\(host)' (ssh says: REMOTE "
            + "HOST IDENTIFICATION HAS CHANGED)"
    }
}
