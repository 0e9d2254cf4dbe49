"""Builds the package data file of the catalogue from two published price lists.

    python tools/build_catalog.py [--litellm PATH] [--genai-prices PATH] [--date DAY] [--out PATH]

The sources are read at development time only; the package never imports them.

* **genai-prices** (MIT) is a typed list with a history: effective dates, long-context cliffs,
  batch and service-tier variants. It knows no abilities, no output limits, no dates of
  retirement and nothing of DeepInfra.
* **litellm's price JSON** (MIT) is one day's state with limits, abilities, retirement dates and
  tiers for most models.

The rule of the merge, field by field:

* **Which models**: every chat, responses and embedding model that either source lists for one of
  our twelve providers. Models priced by the minute, the picture or the page are left out.
* **Base rates** (input, output, cache): genai-prices where one of its patterns knows the id,
  because it alone knows since when a rate holds; litellm otherwise. Where both know a model and
  disagree on today's input or output rate, the build prints it and genai-prices wins, unless
  ``curated.toml`` trusts the other one for a stated reason.
* **What one lacks** (cache rates, long context, batch, flex, priority, search): filled in from
  litellm only for a period whose input and output rates are equal in both, so that no rate of one
  price list is mixed into another price.
* **Variants** of genai-prices start on the day when somebody checked them, not when the discount
  began; they are carried back over the days with the same standard rates.
* **Batch**: only explicit prices are written per model. A provider's general discount is written
  beside the models (``batch_discount``) and applied when the file is loaded, marked as estimated.
* **Context**: litellm's input limit, else the context window of genai-prices.
* **Abilities**: litellm's flags. A model without any flag has no list, which means "unknown".
* **Aliases**: names that a source spells out for the same model stay with the model (they are the
  provider's own names and go on the wire as they are); our own names are in ``aliases``.
* Rates finer than 10**-12 USD a token are rounded half to even.

Facts that no source has (lifecycle dates of retired models, our aliases, families, the batch
discounts) are in ``catalog_build/curated.toml`` with their reasons.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # A script sees its own folder only; the steps are a package of the folder above.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tools.catalog_build.main import main

    main()
