// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import SystemPackage

/// Tells in which of many directories a name was made, written, moved, removed or given other
/// rights: one inotify(7) instance, one watch a directory and some forty bytes of our own.
///
/// It follows no path: where another directory takes the place of one, somebody else has to say.
public final class DirectorySource: EventSource {
    private static let events: PathEvents = [
        .create, .closeWrite, .movedTo, .movedFrom, .delete, .attrib,
    ]

    private let inotify: Inotify
    private var watches: [ModuleName: Inotify.WatchDescriptor] = [:]
    /// Links may make one directory that of several modules.
    private var watched: [Inotify.WatchDescriptor: [ModuleName]] = [:]
    /// The module whose directory it is and the name in it; nil where the kernel's queue was full
    /// and anything may have happened.
    public typealias Changed = ((module: ModuleName, name: String)?) -> Void
    private let changed: Changed

    /// inotify_init1(2).
    public init(changed: @escaping Changed) throws(SystemCallError) {
        inotify = try .make()
        self.changed = changed
    }

    public var descriptor: CInt { inotify.descriptor }

    /// Watches what is at the path now, through symbolic links (inotify_add_watch(2)).
    ///
    /// - Throws: `SystemCallError` where it cannot be watched. One that is not there is no fault.
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

    /// Watches the module's directory no longer.
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
