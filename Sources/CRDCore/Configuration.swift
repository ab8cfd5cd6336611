public struct Configuration: Equatable, Sendable {
    public var interval: Duration = .seconds(30)
    public var modules = "/opt/CRD/modules"; public var support = "/opt/CRD/support"
    public var state = "/var/lib/crd"; public var runtime = "/run/crd"
    public var slots: Int?
    public var timeout: Duration = .seconds(60); public var grace: Duration = .seconds(5)
    public var outputMax = 1 << 20
    public init() {}
}
