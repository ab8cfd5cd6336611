public struct Manifest: Equatable, Sendable {
    public enum Interval: Equatable, Sendable { case inherited, every(Duration), off }
    public enum Cooldown: Equatable, Sendable { case auto, fixed(Duration) }
    public struct Limit: Equatable, Sendable { public var count: Int; public var window: Duration
        public init(count: Int, window: Duration) { self.count = count; self.window = window } }
    public enum Leftovers: Equatable, Sendable { case kill, keep }
    public struct RoleSettings: Equatable, Sendable { public var timeout: Duration?; public var user: String? }
    public var description: String?; public var interval: Interval = .inherited
    public var settle: Duration = .zero; public var cooldown: Cooldown = .auto
    public var limit: Limit? = Limit(count: 30, window: .seconds(60))
    public var condition: Set<UInt8> = [0]; public var clear: Set<UInt8> = [1]
    public var environment: [String: String] = [:]
    public var leftovers: Leftovers = .kill; public var enabled = true
    public var roles: [Role: RoleSettings] = [:]
    public init() {}
}
