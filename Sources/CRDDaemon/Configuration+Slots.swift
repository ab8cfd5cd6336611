// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc

extension Configuration {
    /// The maximum number of runs at once; the default is the number of processors, but at least 4.
    var slotsInForce: Int { slots ?? max(4, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}
