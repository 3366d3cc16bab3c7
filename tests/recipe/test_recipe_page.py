"""The page for people and the list that is typed are one recipe."""

import re
from pathlib import Path

import recipe_by_hand

PAGE = Path(__file__).parents[2] / "docs/recipe.md"


def test_every_command_of_the_page_is_typed() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    shown = {line.partition("  # ")[0].strip() for block in blocks for line in block.splitlines()}
    typed = {step.command for chapter in recipe_by_hand.CHAPTERS for step in chapter.steps}
    assert len(shown) > 25
    assert shown - typed == set()
