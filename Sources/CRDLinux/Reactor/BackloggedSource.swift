// SPDX-License-Identifier: GPL-3.0-or-later

/// A source that may have more to do than it did in its turn, whatever its descriptor says.
public protocol BackloggedSource: EventSource {
    /// It must be drained again in the next turn.
    var hasBacklog: Bool { get }
}
