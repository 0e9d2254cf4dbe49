"""What a guard round an attempt is."""

from llm_orchestrator.pipeline.attempt import Attempt


class Guard:
    """One concern round each attempt; a guard overrides what it needs."""

    async def enter(self, attempt: Attempt) -> None:
        """Before the wire; raises to keep the attempt from going out."""

    def leave(self, attempt: Attempt) -> None:
        """After it, however it ended. Not async, so that nothing can interrupt a settlement."""
