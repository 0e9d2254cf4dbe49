"""Tasks that come with the package, by the names of their job types."""

from collections.abc import Mapping
from typing import Any

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "creative_scoring": {
        "id": "creative_id",
        "system": "You judge scripts of advertisements as an experienced editor does: by what they "
        "would do with the people they are meant for, not by taste.",
        "prompt": "Score this creative{% if niche is defined and niche %} for the niche "
        "{{ niche }}{% endif %}. Every score is from 0 (useless) to 100 (excellent).\n\n"
        "<script>\n{{ script }}\n</script>",
        "schema": {
            "type": "object",
            "properties": {
                "score": {"type": "integer", "minimum": 0, "maximum": 100},
                "hook": {"type": "integer", "minimum": 0, "maximum": 100},
                "clarity": {"type": "integer", "minimum": 0, "maximum": 100},
                "persuasion": {"type": "integer", "minimum": 0, "maximum": 100},
                "call_to_action": {"type": "integer", "minimum": 0, "maximum": 100},
                "strengths": {"type": "array", "items": {"type": "string"}},
                "weaknesses": {"type": "array", "items": {"type": "string"}},
                "improvement": {"type": "string"},
            },
            "required": [
                *("score", "hook", "clarity", "persuasion", "call_to_action"),
                *("strengths", "weaknesses", "improvement"),
            ],
        },
        "options": {"max_tokens": 800, "temperature": 0},
        "models": ["gpt-4o-mini", "claude-haiku", "gemini-flash"],
    },
    "embedding_generation": {
        "kind": "embedding",
        "input": "input",
        "models": [
            *("text-embedding-3-large", "gemini/gemini-embedding-2", "mistral/mistral-embed"),
            "cohere/embed-v4.0",
        ],
    },
    "historical_reprocessing": {
        "prompt": "{% if instructions is defined and instructions %}{{ instructions }}"
        "{% else %}Analyse this record again, as if it had not been analysed before: what it is, "
        "how well it did and why, and what should be done now.{% endif %}\n\n"
        "<record>\n{% for name, value in row.items() if name not in ('instructions', 'job_id') %}"
        "{{ name }}: {{ value }}\n{% endfor %}</record>",
        "options": {"max_tokens": 1500},
        "models": ["gpt-4o-mini", "claude-haiku", "gemini-flash"],
    },
    "video_analysis": {
        "id": "video_url",
        "media": "{{ video_url }}",
        "prompt": "Analyse this video. What is asked for: "
        "{{ analysis_type if analysis_type is defined and analysis_type else 'full' }} (full: "
        "what is shown and said from beginning to end, how it is cut, what it wants from the "
        "viewer, and how well it does that).",
        "options": {"max_tokens": 2000},
        "models": ["gemini-flash"],
    },
}
"""Name to what a YAML file would say."""
