// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import SystemPackage

/// Explains why a daemon could not be asked, with the remedy.
enum ControlFailure {
    /// Returns whether no daemon runs there.
    static func isAbsence(_ error: any Error) -> Bool {
        let code = (error as? SystemCallError)?.errno
        return code == .noSuchFileOrDirectory || code == .connectionRefused
    }

    static func advice(_ error: any Error, _ socket: FilePath) -> String {
        if isAbsence(error) {
            return "no daemon answers at \(socket); start it (crd daemon), or, if 'runtime' was "
                + "changed while it was running, restart it"
        }
        guard (error as? SystemCallError)?.errno == .permissionDenied else { return "\(error)" }
        return "\(error); run crd as root, or join the group crd"
    }
}
