// SPDX-License-Identifier: GPL-3.0-or-later

/// A source that may have work left after its turn, whatever its descriptor says.
public protocol BackloggedSource: EventSource {
    /// Whether it must be drained again in the next turn.
    var hasBacklog: Bool { get }
}
