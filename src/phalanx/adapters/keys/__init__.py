"""Where secrets come from and are kept: wrappers of the vault's root, key files, passphrases, and noise sources."""

from phalanx.adapters.keys._file_wrapper import FileWrapper, file_wrapper
from phalanx.adapters.keys._keyfile import load_or_create, read_private, replace_private
from phalanx.adapters.keys._keyring_wrapper import KeyringWrapper, keyring_wrapper
from phalanx.adapters.keys._noise import DeviceNoise, JitterNoise, OsNoise, device_noise, jitter_noise, os_noise
from phalanx.adapters.keys._pkcs11_wrapper import Pkcs11Wrapper, pkcs11_wrapper
from phalanx.adapters.keys._secrets import Ask, nobody_to_ask, secret_source
from phalanx.adapters.keys._transit_wrapper import TransitWrapper, transit_wrapper

__all__ = [
    "Ask",
    "DeviceNoise",
    "FileWrapper",
    "JitterNoise",
    "KeyringWrapper",
    "OsNoise",
    "Pkcs11Wrapper",
    "TransitWrapper",
    "device_noise",
    "file_wrapper",
    "jitter_noise",
    "keyring_wrapper",
    "load_or_create",
    "nobody_to_ask",
    "os_noise",
    "pkcs11_wrapper",
    "read_private",
    "replace_private",
    "secret_source",
    "transit_wrapper",
]
