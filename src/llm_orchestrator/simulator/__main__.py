"""`python -m llm_orchestrator.simulator`."""

from llm_orchestrator.simulator.command import main

raise SystemExit(main())
