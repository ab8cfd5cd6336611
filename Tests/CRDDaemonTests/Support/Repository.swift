// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// The checkout that the tests were built from.
enum Repository {
    static let path = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
}
