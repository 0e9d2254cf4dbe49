"""``llmo run``: one prompt, answered."""

from pathlib import Path

from llm_orchestrator.cli import options
from llm_orchestrator.cli import run_options as opt


def run(
    words: opt.Words = None,
    prompt: opt.Prompt = None,
    system: opt.System = None,
    image: opt.Image = None,
    schema: opt.Schema = None,
    temperature: opt.Temperature = None,
    max_tokens: opt.MaxTokens = None,
    config: options.ConfigFile = None,
    provider: opt.Provider = None,
    model: opt.Model = None,
    chain: opt.Chain = None,
    max_cost: opt.MaxCost = None,
    strategy: opt.HowSought = None,
    ensemble_size: opt.EnsembleSize = None,
    capability: opt.Capability = None,
    confidence: opt.Confidence = None,
    threshold: opt.Threshold = None,
    cache: opt.Cache = None,
    stream: opt.Stream = False,
    as_json: opt.AsJSON = False,
    save: opt.Save = None,
    verbose: opt.Verbose = False,
    quiet: opt.Quiet = False,
    dry_run: opt.DryRun = False,
    list_models: opt.ListModels = False,
    test: opt.Test = False,
    _debug: options.Debug = False,
) -> None:
    """Send one prompt and print the answer."""
    if test or list_models:
        _instead(test=test, provider=provider, config=config, as_json=as_json)
        return
    from llm_orchestrator.cli import ask as asking
    from llm_orchestrator.cli.prompt import read_messages, read_schema

    given = asking.Ask(
        messages=read_messages(prompt, words, image or []),
        settings=options.configuration(config),
        provider=provider,
        model=model,
        chain=chain,
        max_cost=max_cost,
        options=_given(
            strategy=strategy,
            ensemble_size=ensemble_size,
            capability=capability,
            confidence=confidence,
            threshold=threshold,
            cache=cache.option if cache else None,
            system=system,
            temperature=temperature,
            max_tokens=max_tokens,
            schema=read_schema(schema) if schema else None,
        ),
        stream=stream,
        as_json=as_json,
        save=save,
        verbose=verbose and not quiet,
        quiet=quiet,
    )
    (asking.dry_run if dry_run else asking.ask)(given)


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _instead(*, test: bool, provider: str | None, config: Path | None, as_json: bool) -> None:
    if test:
        from llm_orchestrator.cli.doctor import doctor

        doctor(config=config, as_json=as_json)
    else:
        from llm_orchestrator.cli.models import models

        models(provider=provider, config=config, as_json=as_json)
