// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

/// What git says when it fails, in one sentence that names the place and the remedy.
enum GitComplaint {
    /// What git's words mean; the first that fits.
    private static let meanings:
        [(words: [String], sentence: @Sendable (_ place: String, _ ref: String) -> String)] = [
            (
                ["couldn't find remote ref HEAD"],
                { place, _ in
                    "\(place) has no commit yet, or none that it shows first; name a branch with --ref"
                }
            ),
            (
                [
                    "couldn't find remote ref", "not our ref", "unadvertised object",
                    "no such remote ref",
                ],
                { place, ref in
                    "\(place) has no branch, tag or commit \(ref); 'git ls-remote' shows those that are "
                        + "there, and a commit is named in full"
                }
            ),
            (
                ["mismatched algorithms"],
                { place, _ in
                    "\(place) names its objects by SHA-256; crd fetches from repositories with git's "
                        + "usual names, by SHA-1"
                }
            ),
            (
                ["Needed a single revision"],
                { place, ref in "\(ref) of \(place) is no commit; name a branch, a tag or a commit"
                }
            ),
            (
                ["detected dubious ownership"],
                { place, _ in
                    "\(place) belongs to another user, from whom git does not read for you; "
                        + "make a copy of your own with git clone, and name that"
                }
            ),
            (
                [
                    "Authentication failed", "could not read Username", "could not read Password",
                    "Permission denied (", "terminal prompts disabled",
                ],
                { place, _ in
                    "\(place) is not there, or not for everybody; crd asks for no password: check the "
                        + "address, or give an ssh URL and a key without a passphrase"
                }
            ),
            (
                ["Host key verification failed"],
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
                { place, _ in "there is no git repository at \(place); check the address" }
            ),
            (
                ["' not allowed"],
                { place, _ in
                    "\(place) leads over a protocol that crd does not use; it uses "
                        + RepositoryLocation.protocols.joined(separator: ", ")
                }
            ),
            (
                ["server certificate verification failed", "SSL certificate problem"],
                { place, _ in "the certificate of \(place) is not valid here; see ca-certificates" }
            ),
            (
                ["No space left on device"],
                { place, _ in
                    "\(place) does not fit on the disk; free some space where 'state' of crd.conf is"
                }
            ),
            (
                ["unable to write file", "unable to create file"],
                { place, _ in
                    "the files of \(place) cannot be written; is there room where 'modules' and 'support' "
                        + "of crd.conf are?"
                }
            ),
            (
                ["File too large", "died of signal 25"],
                { place, _ in "\(place) is larger than what crd fetches, 512MiB" }
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
            in: unsafe ?? last ?? lines.last ?? "git ended with \(termination)")
        if termination == .signaled(SIGXFSZ) {
            return "\(location) is larger than what crd fetches, 512MiB"
        }
        let meaning = meanings.first { $0.words.contains(where: text.contains) }
        guard let meaning else { return "git cannot read \(location): \(said)" }
        return "\(meaning.sentence("\(location)", "\(ref)")) (git says: \(said))"
    }
}
