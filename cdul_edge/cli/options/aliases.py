"""Former names of options and values: they still work, and a line on stderr tells the new name.

An entry stays for one release after the one that renamed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

Names = Mapping[str, str]

# command -> {former option: current option}
RENAMED_OPTIONS: Mapping[str, Names] = {
    "train": {
        "--optimiser": "--optimizer",
        "--colour": "--color",
        "--shuffle-colours": "--shuffle-colors",
    },
}
# command -> {current option: {former value: current value}}
RENAMED_VALUES: Mapping[str, Mapping[str, Names]] = {}


def use_current_names(
    arguments: Sequence[str],
    options: Names,
    values: Mapping[str, Names],
    notify: Callable[[str], None],
) -> list[str]:
    """Replace former names in a command's arguments by the current ones.

    Args:
        arguments: what follows the command's name; nothing behind a bare `--` is an option.
        options: {former option: current option}.
        values: {current option: {former value: current value}}.
        notify: told of each former name, once, in one line.
    """
    found: list[str] = []
    told: set[str] = set()

    def replace(former: str, names: Names) -> str:
        current = names.get(former, former)
        if current != former and former not in told:
            told.add(former)
            notify(f"{former} is now called {current}; the former name goes in the next release")
        return current

    option = ""
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*found, *arguments[position:]]
        if not argument.startswith("--"):
            found.append(replace(argument, values.get(option, {})))
            option = ""
            continue
        name, equals, value = argument.partition("=")
        option = replace(name, options)
        found.append(option + equals + replace(value, values.get(option, {})))
    return found


def renamed_settings(
    settings: Iterable[str], names: Names, notify: Callable[[str], None]
) -> list[str]:
    """The same for NAME=VALUE settings, such as those of `train --set`."""
    pairs = [setting.partition("=") for setting in settings]
    for former in {name for name, _, _ in pairs if name in names}:
        notify(f"{former} is now called {names[former]}; the former name goes in the next release")
    return [names.get(name, name) + equals + value for name, equals, value in pairs]
