// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a run started; the raw value is what the module reads in `CRD_TRIGGER`.
public enum Cause: String, CaseIterable, Sendable {
    case start, interval, path, journal, signal, request, verify
}
