from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.net.addresses import Addresses, Allowance, is_public, reason_against

NOT_PUBLIC_V4 = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
]
NOT_PUBLIC_V6 = [
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b::1:8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo: 127.0.0.1, inverted
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2600:1f18::5efe:127.0.0.1",
    "2600:1f18::200:5efe:10.0.0.1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::5efe:127.0.0.1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", NOT_PUBLIC_V4 + NOT_PUBLIC_V6)
def test_refuses_what_is_not_public(address: str) -> None:
    assert not is_public(address)
    assert not Addresses().permits(address, 443)
    assert reason_against(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_permits_what_is_public(address: str) -> None:
    assert is_public(address)
    assert Addresses().permits(address, 443)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example.com",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1\0",
        " 8.8.8.8",
        "8.8.8.8/32",
        "8.8.8.8:80",
        "[2606:4700:4700::1111]",
        "2606:4700:4700::1111%eth0",
        "fe80::1%eth0",
        "①.①.①.①",
    ],
)
def test_refuses_what_is_no_plain_address(text: str) -> None:
    assert not is_public(text)


V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
NOT_PUBLIC = st.sampled_from(NOT_PUBLIC_V4).map(IPv4Address)


def disguises(inner: IPv4Address) -> list[int]:
    """The IPv6 addresses through which the IPv4 address can be reached, or is written."""
    number = int(inner)
    return [
        number,
        0xFFFF << 32 | number,
        0xFFFF_0000 << 32 | number,
        0x0064_FF9B << 96 | number,
        0x0064_FF9B_0001 << 80 | number,
        0x2001_0000 << 96 | (number ^ 0xFFFF_FFFF),
        0x2001_0000 << 96 | number << 64 | 0xFFFF_FFFF,
        0x2002 << 112 | number << 80 | 1,
        0x2600_1F18 << 96 | 0x5EFE << 32 | number,
        0x2600_1F18 << 96 | 0x0200_5EFE << 32 | number,
        0xFE80 << 112 | 0x5EFE << 32 | number,
    ]


@given(NOT_PUBLIC)
def test_no_disguise_makes_an_address_public(inner: IPv4Address) -> None:
    for number in disguises(inner):
        assert not is_public(str(IPv6Address(number)))


@given(V4)
def test_ipv4_through_nat64_is_judged_like_ipv4(inner: IPv4Address) -> None:
    assert is_public(str(IPv6Address(0x0064_FF9B << 96 | int(inner)))) == is_public(str(inner))


@given(V4 | V6)
def test_is_never_laxer_than_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    through_nat64 = address in ip_network("64:ff9b::/96")
    assert not is_public(str(address)) or through_nat64 or ip_address(address).is_global


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    is_public(text)


# --- what the operator allows ---


def test_nothing_is_allowed_by_default() -> None:
    assert Addresses.parse("") == Addresses.parse(" , ") == Addresses(())


@pytest.mark.parametrize(
    ("text", "allowance"),
    [
        ("127.0.0.1:9001", Allowance(ip_network("127.0.0.1"), 9001)),
        ("[::1]:9001", Allowance(ip_network("::1"), 9001)),
        ("::1", Allowance(ip_network("::1"))),
        ("10.1.2.3", Allowance(ip_network("10.1.2.3"))),
        ("10.0.0.0/8", Allowance(ip_network("10.0.0.0/8"))),
        ("fd00::/8", Allowance(ip_network("fd00::/8"))),
        ("Images.Internal.:443", Allowance("images.internal", 443)),
        ("my_minio:9000", Allowance("my_minio", 9000)),
    ],
)
def test_reads_an_entry(text: str, allowance: Allowance) -> None:
    assert Addresses.parse(text).allowed == (allowance,)


def test_reads_several_entries() -> None:
    addresses = Addresses.parse("127.0.0.1:9001, 10.0.0.0/8,")
    assert addresses.allowed == (Allowance(ip_network("127.0.0.1"), 9001), Allowance(ip_network("10.0.0.0/8")))


@pytest.mark.parametrize(
    "entry",
    [
        "localhost",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "a:0",
        "a:65536",
        "a:b",
        "a:",
        ":80",
        "http://a:80",
        "10.0.0.0/8:80",
        "*",
    ],
)
def test_a_bad_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="neither host:port nor an address nor a network") as caught:
        Addresses.parse(f"127.0.0.1:9001,{entry}")
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    ("allowed", "address", "port", "host", "permitted"),
    [
        ("127.0.0.1:9001", "127.0.0.1", 9001, "", True),
        ("127.0.0.1:9001", "127.0.0.1", 9001, "localhost", True),
        ("127.0.0.1:9001", "127.0.0.1", 9002, "", False),
        ("127.0.0.1:9001", "127.0.0.2", 9001, "", False),
        ("127.0.0.1:9001", "::ffff:127.0.0.1", 9001, "", False),
        ("127.0.0.1", "127.0.0.1", 1, "", True),
        ("10.0.0.0/8", "10.9.8.7", 80, "", True),
        ("10.0.0.0/8", "11.9.8.7", 80, "", True),
        ("10.0.0.0/8", "192.168.0.1", 80, "", False),
        ("fe80::/10", "fe80::1%eth0", 80, "", False),
        ("minio:9000", "172.17.0.3", 9000, "MINIO.", True),
        ("minio:9000", "172.17.0.3", 9000, "other", False),
        ("minio:9000", "172.17.0.3", 9000, "", False),
        ("minio:9000", "172.17.0.3", 9001, "minio", False),
    ],
)
def test_permits_what_the_operator_allows_and_no_more(
    allowed: str, address: str, port: int, host: str, permitted: bool
) -> None:
    assert Addresses.parse(allowed).permits(address, port, host) is permitted


def test_tells_what_was_allowed_from_what_is_public() -> None:
    addresses = Addresses.parse("127.0.0.1:9001")
    assert addresses.allows("127.0.0.1", 9001)
    assert not addresses.allows("8.8.8.8", 9001)
