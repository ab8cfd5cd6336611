// SPDX-License-Identifier: GPL-3.0-or-later

import DequeModule

/// When a module's latest responses to events began, as many as its limit allows in its window.
struct LimitedResponses {
    private var began = Deque<Instant>()

    /// Returns when the limit allows another response; nil if at any time.
    func allowedAt(_ limit: Manifest.Limit?) -> Instant? {
        guard let limit, began.count >= limit.count else { return nil }
        return began.first.map { $0 + limit.window }
    }

    mutating func append(_ now: Instant, _ limit: Manifest.Limit?) {
        began.append(now)
        truncate(to: limit)
    }

    /// Forgets those that the limit does not count.
    mutating func truncate(to limit: Manifest.Limit?) {
        began.removeFirst(max(0, began.count - (limit?.count ?? 0)))
    }
}
