// SPDX-License-Identifier: GPL-3.0-or-later

/// What is sent to a run's processes, be they in its process group or not.
public enum TreeSignal: Hashable, Sendable {
    /// SIGTERM.
    case terminate
    /// SIGKILL.
    case kill
}
