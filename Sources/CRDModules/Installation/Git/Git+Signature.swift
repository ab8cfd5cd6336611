// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import SystemPackage

extension Git {
    /// Returns who signed the commit; the signer must be in the file, and the SSH signature must be
    /// good (git-verify-commit(1), ssh-keygen(1)).
    func signer(
        of commit: String, allowed signers: FilePath, _ location: RepositoryLocation
    ) throws(InstallationFailure) -> String {
        guard CommonEnvironment.program("ssh-keygen") != nil else {
            throw InstallationFailure(
                "ssh-keygen was not found, and no signature can be verified without it; install "
                    + "it (on Debian: apt install openssh-client)")
        }
        // Other kinds of signatures are disabled.
        let settings = [
            "gpg.format=ssh", "gpg.ssh.program=ssh-keygen",
            "gpg.ssh.allowedSignersFile=\(signers)", "gpg.minTrustLevel=fully",
            "gpg.openpgp.program=/bin/false", "gpg.x509.program=/bin/false",
        ].flatMap { ["-c", $0] }
        let shown = try run(
            settings + ["log", "-1", "--no-show-signature", "--format=%G?%n%GS%n%GF", commit],
            location)
        let lines = String(decoding: shown, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines[0] == "G", !lines[1].isEmpty, lines[2].hasPrefix("SHA256:")
        else {
            throw InstallationFailure(
                "commit \(commit) of \(location) \(Self.objection(lines.first)) by a key in "
                    + "\(signers) ('allowed-signers' in crd.conf); none of it was executed")
        }
        // The exit code of git's own verification decides.
        try run(settings + ["verify-commit", commit], location)
        return "\(lines[1]) \(lines[2])"
    }

    private static func objection(_ letter: Substring?) -> String {
        switch letter {
        case "N": "is not signed"
        case "B":
            "has a signature that does not match it, or one by a key that is not for the namespace "
                + "\"git\": it counts as not signed"
        default: "is signed, but not"
        }
    }
}
