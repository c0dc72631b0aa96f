"""Versions of models on disk: immutable folders, a sha256 manifest each, and aliases that move.

Layout of a root (the shipped one is read only, the writable one lies in the data directory)::

    <root>/<family>/<version>/   weights, config, tokenizer, metrics, card, MANIFEST.json
    <root>/<family>/aliases.json {"live": "<version>", "previous": "<version>"}; a style of its own
                                 has "<style>.live", "<style>.previous", "<style>.candidate"
    <root>/<family>/history.jsonl  one line a move of an alias
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"
SHIPPED = Path(__file__).parent / "checkpoints"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


class RegistryError(Exception):
    """A version or an alias cannot be used; the message is one plain sentence."""


class UnknownVersion(RegistryError):
    """No version and no alias of that name exists."""


class DamagedVersion(RegistryError):
    """A file of a version is missing or differs from its manifest."""


@dataclass(frozen=True)
class Version:
    """One immutable version of a family's model."""

    family: str
    name: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def parent(self) -> str | None:
        """Name the version this one was trained from."""
        parent = self.manifest.get("parent")
        return str(parent) if parent else None

    def read_json(self, file: str) -> Any:
        """Read a JSON file of the version, for example ``metrics.json``."""
        return json.loads((self.path / file).read_text(encoding="utf-8"))

    def verify(self) -> None:
        """Check every file against its sha256; raise DamagedVersion naming the first bad one."""
        files = self.manifest.get("files")
        if not isinstance(files, dict) or not files:
            raise DamagedVersion(f"{self.family} {self.name} is damaged: its manifest is broken.")
        for file, expected in files.items():
            path = self.path / file
            if not path.is_file():
                raise DamagedVersion(f"{self.family} {self.name} is damaged: {file} is missing.")
            if sha256(path) != expected:
                raise DamagedVersion(
                    f"{self.family} {self.name} is damaged: {file} differs from its manifest."
                )


class Registry:
    """Reads shipped and own versions as one list; writes only to its own root."""

    def __init__(self, writable: Path | None = None, shipped: Path | None = SHIPPED) -> None:
        self.writable = writable
        self.shipped = shipped

    def families(self) -> list[str]:
        """Name the families that have at least one version."""
        found = {d.name for root in self._roots() if root.is_dir() for d in root.iterdir()}
        return sorted(f for f in found if _NAME.match(f) and self.versions(f))

    def versions(self, family: str) -> list[Version]:
        """List a family's versions, oldest first."""
        _check_name(family)
        found: dict[str, Version] = {}
        for root in self._roots():
            for manifest in (root / family).glob(f"*/{MANIFEST}"):
                name = manifest.parent.name
                if _NAME.match(name):
                    found[name] = Version(family, name, manifest.parent, _read_manifest(manifest))
        return sorted(found.values(), key=lambda v: (str(v.manifest.get("created", "")), v.name))

    def aliases(self, family: str) -> dict[str, str]:
        """Map alias to version name; the writable root overrides the shipped one.

        What names a version that has gone, as an update may take a shipped one away, is left out.
        """
        _check_name(family)
        merged: dict[str, str] = {}
        for root in reversed(self._roots()):
            told = _read_aliases(root / family)
            merged |= {alias: name for alias, name in told.items() if self._has(family, name)}
        return merged

    def resolve(self, family: str, ref: str = "live") -> Version:
        """Find a version by alias or by name; raise UnknownVersion."""
        name = self.aliases(family).get(ref, ref)
        for version in self.versions(family):
            if version.name == name:
                return version
        raise UnknownVersion(f"There is no {family} model called {ref}.")

    def publish(
        self,
        family: str,
        name: str,
        folder: Path,
        *,
        parent: str | None,
        facts: Mapping[str, Any] | None = None,
    ) -> Version:
        """Copy a finished folder in as an immutable version, with its manifest.

        ``facts`` (licence, corpus hash, seed, code version ...) are kept in the manifest.
        """
        root = self._own() / _check_name(family)
        target = root / _check_name(name)
        if target.exists():
            raise RegistryError(f"{family} {name} exists already.")
        root.mkdir(parents=True, exist_ok=True)
        staging = root / f".{name}.{os.getpid()}"
        shutil.rmtree(staging, ignore_errors=True)  # of a process that died halfway
        shutil.copytree(folder, staging)
        files = {
            str(p.relative_to(staging)): sha256(p)
            for p in sorted(staging.rglob("*"))
            if p.is_file() and p.name != MANIFEST
        }
        manifest = {
            "family": family,
            "version": name,
            "parent": parent,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **(facts or {}),
            "files": files,
        }
        _write_json(staging / MANIFEST, manifest)
        staging.rename(target)
        return Version(family, name, target, manifest)

    def move_alias(self, family: str, alias: str, name: str, why: str = "") -> None:
        """Point an alias at a version, atomically; a ``live`` replaced becomes ``previous``."""
        _check_name(alias)
        self.resolve(family, name)
        root = self._own() / family
        root.mkdir(parents=True, exist_ok=True)
        own = _read_aliases(root)  # alone: the shipped ones must be free to move with an update
        before = self.aliases(family).get(alias)
        if alias.endswith("live") and before and before != name:
            own[alias.removesuffix("live") + "previous"] = before
        own[alias] = name
        _write_json(root / "aliases.json", own)
        line = {"at": time.time(), "alias": alias, "from": before, "to": name, "why": why}
        with (root / "history.jsonl").open("a", encoding="utf-8") as history:
            history.write(json.dumps(line) + "\n")

    def drop_alias(self, family: str, alias: str, why: str = "") -> None:
        """Let an alias of the writable root name nothing any more; the versions stay."""
        _check_name(alias)
        root = self._own() / family
        own = _read_aliases(root)
        before = own.pop(alias, None)
        if before is None:
            return
        _write_json(root / "aliases.json", own)
        line = {"at": time.time(), "alias": alias, "from": before, "to": None, "why": why}
        with (root / "history.jsonl").open("a", encoding="utf-8") as history:
            history.write(json.dumps(line) + "\n")

    def rollback(self, family: str, why: str = "rollback", style: str | None = None) -> Version:
        """Point ``live`` (of a style) back at ``previous``."""
        prefix = f"{style}." if style else ""
        previous = self.aliases(family).get(f"{prefix}previous")
        if previous is None:
            raise UnknownVersion(f"There is no earlier {family} model to go back to.")
        self.move_alias(family, f"{prefix}live", previous, why)
        return self.resolve(family, f"{prefix}live")

    def spare(self, family: str, *, keep: int, named: Collection[str] = ()) -> list[Version]:
        """List own versions, oldest first, that can go.

        Those stay that an alias or ``named`` names, all that these were trained from, and the
        ``keep`` newest.
        """
        versions = {v.name: v for v in self.versions(family)}
        own = [v for v in versions.values() if v.path.is_relative_to(self._own())]
        needed: set[str] = set()
        for name in (*self.aliases(family).values(), *named):
            version = versions.get(name)
            while version is not None and version.name not in needed:
                needed.add(version.name)
                version = versions.get(version.parent or "")
        newest = {v.name for v in own[max(0, len(own) - keep) :]}
        return [v for v in own if v.name not in needed | newest]

    def remove(self, family: str, name: str) -> None:
        """Delete a version of one's own; raise RegistryError for one that an alias names."""
        target = self._own() / _check_name(family) / _check_name(name)
        if name in self.aliases(family).values():
            raise RegistryError(f"{family} {name} is in use.")
        if not (target / MANIFEST).is_file():
            raise UnknownVersion(f"There is no {family} model called {name}.")
        going = target.with_name(f".{name}.gone")
        target.rename(going)  # at once for everybody who looks
        shutil.rmtree(going)

    def _has(self, family: str, name: str) -> bool:
        return any((root / family / name / MANIFEST).is_file() for root in self._roots())

    def _roots(self) -> list[Path]:
        return [root for root in (self.writable, self.shipped) if root is not None]

    def _own(self) -> Path:
        if self.writable is None:
            raise RegistryError("This registry is read only.")
        return self.writable


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_name(name: str) -> str:
    """Refuse anything that could leave the registry's folder."""
    if not _NAME.match(name):
        raise UnknownVersion(f"{name[:64]!r} is not a model name.")
    return name


def _read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; a broken one is empty, so that it harms its own version alone."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _read_aliases(folder: Path) -> dict[str, str]:
    path = folder / "aliases.json"
    told: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return told


def _write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
