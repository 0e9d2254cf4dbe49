"""One door to the configuration: `load`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.config.budgets import budget_problems
from llm_orchestrator.config.checks import clean_header_name
from llm_orchestrator.config.classic import Moved
from llm_orchestrator.config.env import Environment, read_environment
from llm_orchestrator.config.read import Path as KeyPath
from llm_orchestrator.config.read import Problem, Reader
from llm_orchestrator.config.schema import Config
from llm_orchestrator.config.yamlfile import Lines, read_yaml
from llm_orchestrator.errors import ConfigError

_FROM_ENVIRONMENT = {
    "default_provider": "ORCHESTRATOR_DEFAULT_PROVIDER",
    "auto_approve_threshold_usd": "ORCHESTRATOR_AUTO_APPROVE_THRESHOLD_USD",
    "enable_audit": "ORCHESTRATOR_ENABLE_AUDIT",
    "schedule_time": "BATCH_SCHEDULE_TIME",
    "check_interval": "BATCH_CHECK_INTERVAL",
    "audit_interval": "BATCH_AUDIT_INTERVAL",
    "time_zone": "BATCH_TIME_ZONE",
}


def load(
    source: str | Path | Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> Config:
    """The configuration in ``source``: a YAML file's path, a mapping, or nothing.

    With nothing, ``LLMO_CONFIG`` may name a file; otherwise the defaults hold and the keys are
    those that the environment has. ``env`` stands for the process's environment; ``.env`` files of
    the working directory and beside the file add to it. ``provider`` and ``model`` win over the
    file. Raises `ConfigError`, which names every mistake by its key path.
    """
    path = _path(source, os.environ if env is None else env)
    folders = [Path.cwd(), *([path.parent] if path else [])]
    environment = read_environment(env, folders)
    raw, lines, name = _read(source, path)
    config = _build(raw, lines, name, environment)
    if provider is None and model is None:
        return config
    return msgspec.structs.replace(
        config,
        active_provider=provider or config.active_provider,
        # A model of the file belongs to the provider of the file.
        active_model=model or (None if provider else config.active_model),
    )


def _path(source: object, env: Mapping[str, str]) -> Path | None:
    if source is None:
        named = env.get("LLMO_CONFIG")
        return Path(named).expanduser() if named else None
    if isinstance(source, Mapping):
        return None
    if not isinstance(source, str | os.PathLike):
        raise ConfigError("a configuration is a path to a YAML file, a mapping or nothing")
    text = os.fspath(source)
    if "\n" in text or "\0" in text:
        raise ConfigError("a configuration text cannot be given; give the path of its file")
    return Path(text).expanduser()


def _read(source: object, path: Path | None) -> tuple[Mapping[str, Any], Lines, str]:
    if path is None:
        if isinstance(source, Mapping):
            return source, Lines(), "configuration"
        return {}, Lines(), "defaults and environment"
    raw, lines = read_yaml(path)
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{path}: expected keys like `active_provider: openai` at the top")
    return raw, lines, str(path)


def _build(raw: Mapping[str, Any], lines: Lines, name: str, env: Environment) -> Config:
    moved = Moved(raw)
    for key, variable in _FROM_ENVIRONMENT.items():
        moved.fill(key, env.value(variable), variable)
    reader = Reader(env, lambda path: path[0] == "providers" and len(path) > 2)
    config: Config = reader.struct(Config, _spread_models(moved.data), ())
    problems = [*moved.problems, *reader.problems, *_header_problems(config)]
    problems += budget_problems(getattr(config, "budgets", ()))
    if problems:
        raise ConfigError(_tell(problems, moved, lines, name))
    unset: dict[str, dict[str, str]] = {}
    for path, variable in reader.unset.items():
        unset.setdefault(str(path[1]), {})[show(path)] = variable
    providers = {
        key: msgspec.structs.replace(settings, unset=unset.get(key, {}))
        for key, settings in config.providers.items()
    }
    return msgspec.structs.replace(config, providers=providers, env=env, source=name)


def _spread_models(data: dict[str, Any]) -> dict[str, Any]:
    """Models in their long form: ``models: [a]`` and ``models: {a: {...}}`` become rows."""
    providers = data.get("providers")
    if not isinstance(providers, Mapping):
        return data
    spread = {}
    for name, section in providers.items():
        models = section.get("models") if isinstance(section, Mapping) else None
        rows: Any = models
        if isinstance(models, Mapping):
            rows = [
                {**row, "name": key} if isinstance(row, Mapping) else _named(key, row)
                for key, row in models.items()
            ]
        elif isinstance(models, list | tuple):
            rows = [{"name": row} if isinstance(row, str) else row for row in models]
        spread[name] = section if rows is models else {**section, "models": rows}
    return {**data, "providers": spread}


def _named(name: object, row: object) -> object:
    return {"name": name} if row is None else row


def _header_problems(config: Config) -> list[Problem]:
    problems = []
    for provider, settings in getattr(config, "providers", {}).items():
        for header in settings.headers:
            try:
                clean_header_name(header)
            except ValueError as error:
                path = ("providers", provider, "headers", header)
                problems.append(Problem(path, str(error)))
    return problems


def _written(path: KeyPath, data: object) -> KeyPath:
    """The path in the user's words: models that were spread from a mapping have their name."""
    parts: list[str | int] = []
    for part in path:
        if isinstance(part, int) and isinstance(data, Mapping):
            part = str(list(data)[part])  # noqa: PLW2901 - the place is the name
        found = isinstance(data, Mapping) or (isinstance(part, int) and isinstance(data, list))
        try:
            data = data[part] if found else None  # type: ignore[index]
        except LookupError:
            data = None
        parts.append(part)
    return tuple(parts)


def show(path: KeyPath) -> str:
    """A key path as the user writes it: ``providers.openai.models[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _tell(problems: list[Problem], moved: Moved, lines: Lines, name: str) -> str:
    found = []
    for problem in problems:
        path = _written(moved.origin(problem.path), moved.data)
        line = lines.of(path) or 0
        where = f"line {line}: " if line else ""
        found.append((line, f"{where}{show(path)}: {problem.text}" if path else problem.text))
    told = [text for _, text in sorted(found, key=lambda pair: pair[0])]
    if len(told) == 1:
        return f"{name}, {told[0]}" if told[0].startswith("line ") else f"{name}: {told[0]}"
    return "\n".join((f"{name} has {len(told)} mistakes:", *(f"  {text}" for text in told)))
