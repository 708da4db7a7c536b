"""`Settings`: the whole of portguard.toml, one field a section."""

import msgspec

from portguard.admin.options import AdminOptions
from portguard.complaints.options import ComplaintsOptions
from portguard.consent.options import ConsentOptions
from portguard.evidence.options import EvidenceOptions
from portguard.mqtt.options import MqttOptions
from portguard.net.options import ListenOptions, SmscOptions
from portguard.policy.options import ConcatOptions, PolicyOptions, TagOptions
from portguard.registry.options import RegistryOptions
from portguard.relay.options import LimitsOptions
from portguard.settings.node import NodeOptions
from portguard.telemetry.options import MetricsOptions


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Sealed after loading: nothing here changes while the daemon runs. Paths are absolute."""

    node: NodeOptions = NodeOptions()
    listen: ListenOptions
    smsc: list[SmscOptions]
    limits: LimitsOptions = LimitsOptions()
    registry: RegistryOptions
    policy: PolicyOptions = PolicyOptions()
    concat: ConcatOptions = ConcatOptions()
    tag: TagOptions = TagOptions()
    consent: ConsentOptions | None = None
    complaints: ComplaintsOptions = ComplaintsOptions()
    evidence: EvidenceOptions = EvidenceOptions()
    mqtt: MqttOptions | None = None
    metrics: MetricsOptions | None = None
    admin: AdminOptions | None = None
