"""The configuration that ``llmo config init`` writes."""

from pathlib import Path

from llm_orchestrator.errors import ConfigError

_EXAMPLE = """\
# Configuration of llm_orchestrator. Everything may be left out: what is commented out shows the
# default. ${NAME} is read from the environment or from a .env file beside this one;
# ${NAME:-text} gives a default. Check it with: llmo config check

# active_provider: openai        # who is asked first; left out: the first with a key
# active_model: gpt-4o-mini      # which model; left out: the provider's default

providers:
  openai:
    api_key: "${OPENAI_API_KEY}"
    fallback_models: [gpt-4o]    # asked next when the model fails, in this order

  anthropic:
    api_key: "${ANTHROPIC_API_KEY}"
    fallback_models: [claude-haiku-4-5]

  # A server of your own that speaks the OpenAI wire:
  # office:
  #   dialect: openai
  #   base_url: http://llm.office.example:8000/v1
  #   api_key: "${OFFICE_API_KEY}"
  #   models:
  #     - name: llama-3.3-70b
  #       context: 131072
  #       prices: {input: 0.20, output: 0.60}    # USD per million tokens

# When all models of a provider have failed, another provider is asked.
# fallback:
#   enabled: true
#   providers: [openai, anthropic]   # which ones, in order; left out: all with a key
#   max_retries: 2                   # how many of them

# How often one model is asked again, and how long is waited in between (seconds).
# retry:
#   max_retries: 2
#   base_delay: 0.5
#   max_delay: 8
#   max_wait: 60                     # a provider that asks for a longer wait is left
#   max_wait_with_fallback: 10       # the same where another could answer

# timeouts:                          # seconds
#   connect: 5
#   idle: 20
#   total: 600
#   first_token: auto                # a number, auto or off

# breaker:                           # leave a model alone that keeps failing
#   failures: 5
#   cooldown: 20

# stream:
#   on_break: continue               # or restart, or fail

# parameters: lenient                # or strict: refuse what a model cannot take

# cache:                             # answers that are kept, and given again for nothing
#   enabled: false
#   ttl: 86400                       # seconds
#   backend: store                   # the ledger's database; or memory, or redis

# budgets:                           # USD; see also: llmo budgets
#   - {scope: global, cap: 200, period: month, zone: Europe/Berlin}
#   - {scope: user, cap: 0.50, period: day}    # each user apart
# notify: ["mailto://user:password@mail.example"]   # where alerts go: mail, chat and others

# cost_tracking:
#   enabled: true
#   log_path: ./costs.jsonl          # a cost log in JSON lines, beside the ledger
#   record_bodies: false

# store:
#   url: "${DATABASE_URL}"           # postgresql://... ; left out: one SQLite file
"""


def write_example(path: Path, *, overwrite: bool = False) -> None:
    """Writes the example to a new file; raises `ConfigError` when that cannot be done."""
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            try:
                file.write(_EXAMPLE)
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)  # half of it is worse than nothing
                raise
    except FileExistsError:
        raise ConfigError(f"{path} is already there; --force overwrites it") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
