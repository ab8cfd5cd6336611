// SPDX-License-Identifier: GPL-3.0-or-later

// The formats of the keys of crd.conf, where they are not common to all files.

extension TOMLFormat where Value == JournalWake {
    static let journalWake = TOMLFormat<Duration>.span(.shortest ... .seconds(60))
        .map { JournalWake.every($0) }
        .or("notify", .notify)
        .or("doorbell", .doorbell)
        .or("auto", .auto)
}

extension TOMLFormat where Value == RepositoryLocation {
    /// A path must be absolute, because the directory in which crd is called is not known.
    static let repository = TOMLFormat.string("a git URL, an absolute path, or GitHub's owner/name")
    { text, value, complaints in
        do throws(RepositoryLocation.Malformed) {
            return try RepositoryLocation(parsing: text, from: nil)
        } catch {
            let shown = RepositoryLocation.withoutSecrets(text)
            complaints.refuse(
                TOMLValue(.string(shown), at: value.position), because: error.reason)
            return nil
        }
    }
}
