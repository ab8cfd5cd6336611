// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

extension Configuration {
    /// How many runs may be under way at once, with the default where there is none.
    var slotsInForce: Int { slots ?? max(4, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}
