// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds the word that was probably meant.
enum Spelling {
    /// Returns the first of the nearest `candidates`, if it is near enough to be a useful
    /// suggestion: about one slip in three letters.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let letters = Array(word.lowercased().utf8)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let other = Array(candidate.utf8)
            let limit = min(3, max(1, max(letters.count, other.count) / 3))
            // Also avoids measuring a key of a megabyte.
            guard abs(letters.count - other.count) <= limit else { continue }
            let distance = distance(from: letters, to: other)
            if distance <= limit && distance < best?.distance ?? .max {
                best = (candidate, distance)
            }
        }
        return best?.candidate
    }

    /// Returns how many insertions, deletions, replacements and swaps of neighbours turn one word
    /// into the other (Damerau-Levenshtein distance, with no letter touched twice).
    static func distance(from left: [UInt8], to right: [UInt8]) -> Int {
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                var cost = min(
                    last[column + 1] + 1, current[column] + 1,
                    last[column] + (left[row] == right[column] ? 0 : 1))
                if row > 0, column > 0, left[row] == right[column - 1],
                    left[row - 1] == right[column]
                {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            (beforeLast, last) = (last, current)
        }
        return last[right.count]
    }
}
