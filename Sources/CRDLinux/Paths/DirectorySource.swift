// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import SystemPackage

/// Reports in which of many directories a name was made, written, moved, removed or given other
/// permissions.
///
/// It takes one inotify(7) instance, and a watch and some forty bytes for each directory.
///
/// It does not follow paths: when another directory replaces one, the caller must watch it again.
public final class DirectorySource: EventSource {
    private static let events: PathEvents = [
        .create, .closeWrite, .movedTo, .movedFrom, .delete, .attrib,
    ]

    private let inotify: Inotify
    private var watches: [ModuleName: Inotify.WatchDescriptor] = [:]
    /// Symbolic links may give several modules the same directory.
    private var watched: [Inotify.WatchDescriptor: [ModuleName]] = [:]
    /// The module that owns the directory, and the changed name in it; nil after an overflow of the
    /// kernel's queue, when anything may have changed.
    public typealias Changed = ((module: ModuleName, name: String)?) -> Void
    private let changed: Changed

    /// Calls inotify_init1(2).
    public init(changed: @escaping Changed) throws(SystemCallError) {
        inotify = try .make()
        self.changed = changed
    }

    public var descriptor: CInt { inotify.descriptor }

    /// Watches the directory now at the path, through symbolic links (inotify_add_watch(2)).
    ///
    /// - Throws: `SystemCallError` when it cannot be watched. A missing directory is not an error.
    public func watch(_ directory: FilePath, of module: ModuleName) throws(SystemCallError) {
        do throws(SystemCallError) {
            let path = Array(directory.string.utf8)
            let watch = try inotify.add(path, Self.events, onlyIfDirectory: true, .followed)
            guard watches[module] != watch else { return }
            forget(module)
            watches[module] = watch
            watched[watch, default: []].append(module)
        } catch let error where error.meansNothingThere {
            forget(module)
        }
    }

    /// Stops watching the module's directory.
    public func forget(_ module: ModuleName) {
        guard let watch = watches.removeValue(forKey: module) else { return }
        watched[watch]?.removeAll { $0 == module }
        guard watched[watch]?.isEmpty == true else { return }
        watched[watch] = nil
        inotify.remove(watch)
    }

    /// The modules whose directories are watched.
    public var modules: [ModuleName] { Array(watches.keys) }

    public func drain(into events: inout [Event]) throws(SystemCallError) {
        try inotify.read { record in
            if record.isOverflow { return changed(nil) }
            let modules = watched[record.watch] ?? []
            if record.isLast {
                for module in modules { watches[module] = nil }
                watched[record.watch] = nil
            } else if let name = record.name.map({ String(cString: $0) }) {
                for module in modules { changed((module, name)) }
            }
        }
    }
}
