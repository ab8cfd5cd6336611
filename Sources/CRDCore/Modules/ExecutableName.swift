// SPDX-License-Identifier: GPL-3.0-or-later

/// Finds the file that was probably meant as a module's executable.
public enum ExecutableName {
    /// Returns the file that was probably meant as the executable `name`: `check.sh` or `Check` for
    /// `check`. Nil where the executable exists too.
    public static func misnamed(_ name: String, among files: [String]) -> String? {
        guard !files.contains(name) else { return nil }
        return files.sorted().first { file in
            let stem = file.split(separator: ".", maxSplits: 1).first ?? ""
            return stem.lowercased() == name.lowercased() && !ModuleName.isSkipped(file)
                && file != "module.toml"
        }
    }

    /// Returns the end of a message that `name` does not exist; empty where there is no such file.
    public static func advice(for name: String, among files: [String]) -> String {
        misnamed(name, among: files)
            .map { "; \(PrintableText.of($0)) is there: rename it to \(name)" } ?? ""
    }
}
