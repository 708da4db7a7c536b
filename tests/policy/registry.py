"""The registry of the tests of the decision: for each rule, rows that break it and rows that just do not.

It is a November: `AT` is a Wednesday morning. What is the matter with a row stands behind it.
"""

from tests.policy.folder import Tables

AT = "2026-11-11T10:00:00"

TABLES: Tables = {
    "enterprises": [
        {"id": "operator", "kind": "operator"},
        {"id": "first", "kind": "sp"},  # holds most of the ports
        {"id": "second", "kind": "sp"},  # leases from first
        {"id": "third", "kind": "sp"},  # leases from second
        {"id": "mall", "kind": "platform"},
        {"id": "tea", "kind": "merchant", "platform": "mall"},
        {"id": "bank", "kind": "sp"},
        {"id": "frozen", "kind": "sp", "status": "suspended"},
        {"id": "gone", "kind": "sp", "status": "revoked"},
    ],
    "accounts": [
        {"system_id": "first", "enterprise": "first"},
        {"system_id": "second", "enterprise": "second"},
        {"system_id": "third", "enterprise": "third"},
        {"system_id": "mall", "enterprise": "mall"},
        {"system_id": "tea", "enterprise": "tea"},
        {"system_id": "bank", "enterprise": "bank"},
        {"system_id": "frozen", "enterprise": "frozen"},
        {"system_id": "off", "enterprise": "first", "status": "suspended"},
        {"system_id": "over", "enterprise": "first", "status": "revoked"},
        {"system_id": "slow", "enterprise": "first", "tps": 2},
        {"system_id": "slowoff", "enterprise": "first", "tps": 1, "status": "suspended"},
        {"system_id": "binary", "enterprise": "first", "binary": "true"},
        {"system_id": "gbk", "enterprise": "first", "charset": "gbk"},
        {"system_id": "packed", "enterprise": "first", "charset": "gsm7-packed"},
        {"system_id": "looked", "enterprise": "first", "mode": "monitor"},
        {"system_id": "tagged", "enterprise": "first", "mode": "tag"},
    ],
    "ports": [
        {"port": "10690001", "holder": "first", "extension_digits": 4, "signature_required": "true"},
        {"port": "1069000199", "holder": "bank"},  # a carve-out of the one above, free of signatures
        {"port": "10690002", "holder": "first", "status": "suspended", "extension_digits": 2},
        {"port": "10690003", "holder": "first", "valid_until": "2026-11-10"},
        {"port": "10690004", "holder": "first", "valid_from": "2026-11-12"},
        {"port": "10690005", "holder": "frozen", "extension_digits": 2},
        {"port": "10690006", "holder": "first", "categories": "verification|notification|marketing/retail"},
        {"port": "10690007", "holder": "first", "regions": "beijing|shanghai"},
        {"port": "10690008", "holder": "first"},  # no signature, any extension
        {"port": "10690009", "holder": "first", "signature_required": "true", "signature_per_extension": "true"},
        {"port": "10690010", "holder": "first", "extension_digits": 0},
        {"port": "10690011", "holder": "first"},  # subleases, one for each way to be out of force
        {"port": "10690012", "holder": "first", "status": "revoked"},
        {"port": "10690013", "holder": "first", "valid_from": "2026-11-11", "valid_until": "2026-11-11"},
        {"port": "10690014", "holder": "first", "status": "suspended"},  # leased on and on
        {"port": "10690015", "holder": "first", "categories": "verification", "signature_required": "true"},
    ],
    "subleases": [
        {"port": "10690001", "lessor": "first", "lessee": "second"},
        {"port": "10690001", "lessor": "second", "lessee": "third"},  # one too deep
        {"port": "10690008", "lessor": "first", "lessee": "bank", "categories": "verification"},
        {"port": "106900085", "lessor": "first", "lessee": "tea", "exclusive": "true"},  # takes it from first
        {"port": "106900086", "lessor": "first", "lessee": "tea", "exclusive": "true", "valid_until": "2026-11-10"},
        {"port": "10690011", "lessor": "first", "lessee": "second", "valid_until": "2026-11-10"},
        {"port": "10690011", "lessor": "first", "lessee": "third", "valid_from": "2026-11-12"},
        {"port": "10690011", "lessor": "first", "lessee": "bank", "status": "suspended"},
        {"port": "10690011", "lessor": "first", "lessee": "tea", "status": "revoked"},
        {"port": "10690011", "lessor": "second", "lessee": "mall"},  # two deep, over a link that is expired
        {"port": "106900112", "lessor": "second", "lessee": "third", "exclusive": "true"},
        {"port": "106900113", "lessor": "first", "lessee": "second", "valid_until": "2026-11-11"},  # its last day
        {"port": "10690014", "lessor": "first", "lessee": "second"},
        {"port": "10690014", "lessor": "second", "lessee": "third"},
        {"port": "10690005", "lessor": "frozen", "lessee": "first"},
    ],
    "signatures": [
        {"signature": "星辰商城", "enterprise": "mall"},
        {"signature": "月光银行", "enterprise": "bank"},
        {"signature": "太阳银行", "enterprise": "bank"},  # on no number of first's
        {"signature": "云端会议", "enterprise": "first"},
        {"signature": "Apple商店", "enterprise": "mall"},
        {"signature": "GoodTea", "enterprise": "tea"},
        {"signature": "同名品牌", "enterprise": "bank", "status": "suspended"},  # registered twice, once in force
        {"signature": "同名品牌", "enterprise": "mall"},
        {"signature": "旧日商行", "enterprise": "mall", "valid_until": "2026-11-10"},
        {"signature": "未来商行", "enterprise": "mall", "valid_from": "2026-11-12"},
        {"signature": "停用商行", "enterprise": "mall", "status": "suspended"},
        {"signature": "注销商行", "enterprise": "mall", "status": "revoked"},
        {"signature": "今日商行", "enterprise": "mall", "valid_from": "2026-11-11", "valid_until": "2026-11-11"},
        {"signature": "冻结商行", "enterprise": "frozen"},
        {"signature": "无处商行", "enterprise": "mall"},  # no scope
        {"signature": "验证专用", "enterprise": "mall"},
        {"signature": "星辰零售", "enterprise": "mall"},
        {"signature": "星辰北京", "enterprise": "mall"},
        {"signature": "星辰白天", "enterprise": "mall"},
        {"signature": "星辰夜间", "enterprise": "mall"},
        {"signature": "星辰限量", "enterprise": "mall"},
        {"signature": "星辰专线", "enterprise": "mall"},
        {"signature": "星辰代发", "enterprise": "mall"},
        {"signature": "星辰自营", "enterprise": "mall"},
        {"signature": "星辰模板", "enterprise": "mall"},
        {"signature": "旧限商行", "enterprise": "mall", "valid_until": "2026-11-10"},
    ],
    "scopes": [
        *(
            {"signature": signature, "enterprise": "mall", "provider": "*"}
            for signature in (
                "星辰商城", "Apple商店", "同名品牌", "旧日商行", "未来商行", "停用商行", "注销商行", "今日商行",
                "星辰模板",
            )
        ),
        {"signature": "同名品牌", "enterprise": "bank", "provider": "*"},
        {"signature": "月光银行", "enterprise": "bank", "port": "1069", "provider": "*"},
        {"signature": "太阳银行", "enterprise": "bank", "port": "10690001991", "provider": "bank"},
        {"signature": "云端会议", "enterprise": "first", "port": "10690001"},  # for whoever may send on that
        {"signature": "GoodTea", "enterprise": "tea", "provider": "*"},
        {"signature": "冻结商行", "enterprise": "frozen", "provider": "*"},
        {"signature": "验证专用", "enterprise": "mall", "provider": "*", "categories": "verification"},
        {"signature": "星辰零售", "enterprise": "mall", "provider": "*", "categories": "marketing/retail"},
        {"signature": "星辰北京", "enterprise": "mall", "provider": "*", "regions": "beijing"},
        {"signature": "星辰白天", "enterprise": "mall", "provider": "*", "hours": "08:00-10:00|14:00-20:00"},
        {"signature": "星辰夜间", "enterprise": "mall", "provider": "*", "hours": "22:00-06:00"},
        {"signature": "星辰限量", "enterprise": "mall", "provider": "*", "daily_cap": 2},
        {"signature": "星辰专线", "enterprise": "mall", "port": "1069000812", "provider": "*"},
        {"signature": "星辰专线", "enterprise": "mall", "port": "1069000813", "provider": "*", "status": "suspended"},
        {
            "signature": "星辰专线", "enterprise": "mall", "port": "1069000814", "provider": "*",
            "valid_until": "2026-11-10",
        },
        {"signature": "星辰专线", "enterprise": "mall", "port": "10690009", "provider": "*"},
        {"signature": "星辰代发", "enterprise": "mall", "provider": "second"},
        {"signature": "星辰自营", "enterprise": "mall", "port": "10690001"},
        {"signature": "云端会议", "enterprise": "first", "port": "106900091", "provider": "*"},  # keeps this number
        {"signature": "星辰商城", "enterprise": "mall", "port": "106900092", "provider": "*"},  # and this one
    ],
    "templates": [
        {
            "id": "t1", "signature": "星辰模板", "enterprise": "mall", "category": "verification",
            "text": "{code}，请在页面上输入",
        },
    ],
    "regions": [
        {"prefix": "1391000", "region": "beijing"},
        {"prefix": "1391600", "region": "shanghai"},
        {"prefix": "1391800", "region": "guangdong"},
        {"prefix": "139180099", "region": "beijing"},  # ported within a longer prefix
    ],
}
