// SPDX-License-Identifier: GPL-3.0-or-later

// What the keys of a manifest's triggers accept.

extension TOMLFormat where Value == PathEvents {
    static let pathEvents = TOMLFormat<[PathEvents]>.list(
        "a list of events by inotifywait's names, such as [\"create\", \"close_write\"]"
    ) { item, complaints in
        let known = PathEvents.names + PathEvents.collectiveNames
        guard case .string(let name) = item.content else {
            complaints.refuse(item, because: "is no event's name")
            return nil
        }
        if let found = known.first(where: { $0.name == name }) { return found.event }
        complaints.refuse(item, known: known.map(\.name))
        return nil
    }.nonEmpty().map { PathEvents($0) }
}

extension TOMLFormat where Value == [Glob] {
    static let globs = TOMLFormat.list("a list of patterns for names, such as [\"*.log\"]") {
        item, complaints in
        guard case .string(let pattern) = item.content else {
            complaints.refuse(item, because: "is no pattern")
            return nil
        }
        do throws(Glob.Malformed) {
            return try Glob(parsing: pattern)
        } catch {
            complaints.refuse(item, because: error.reason)
            return nil
        }
    }
}
