"""``convscope -sc install=bash``: the completion of command lines in bash, zsh and fish."""

import importlib
import os
from collections.abc import Mapping, Sequence

from convscope.errors import UserError

FLAGS = ("--shell-completion", "-sc", "-s")

# Readline replaces only what stands behind the last of COMP_WORDBREAKS, such as the `=` of `model=res`: the part before
# it is taken off the choices. A choice that is complete ends with a blank.
BASH = r"""
_convscope_completion() {
    local line=${COMP_LINE:0:COMP_POINT} choice
    local word=${line##*[[:space:]]}
    local kept=${word%"${word##*[$COMP_WORDBREAKS]}"}
    COMPREPLY=()
    while IFS= read -r choice; do
        [[ $choice == *[=./] ]] || choice+=" "
        COMPREPLY+=("${choice#"$kept"}")
    done < <(COMP_LINE=$line "${1/#\~/$HOME}" -sc query=bash 2>/dev/null)
}
complete -o nospace -F _convscope_completion convscope
"""
ZSH = r"""
_convscope_completion() {
    local line="${(j: :)${(@)words[1,CURRENT-1]}} $PREFIX" choice
    local -a whole begun
    COMP_LINE=$line "${words[1]/#\~/$HOME}" -sc query=zsh 2>/dev/null | while IFS= read -r choice; do
        [[ $choice == *[=./] ]] && begun+=("$choice") || whole+=("$choice")
    done
    compadd -Q -S '' -a begun
    compadd -Q -a whole
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -D; }
compdef _convscope_completion convscope
"""
FISH = r"""
function _convscope_completion
    set -l parts (commandline -opc)
    COMP_LINE=(commandline -cp) $parts[1] -sc query=fish 2>/dev/null
end
complete -e -c convscope
complete -c convscope -f -a '(_convscope_completion)'
"""
INSTALL = {"bash": BASH, "zsh": ZSH, "fish": FISH}
UNINSTALL = {
    "bash": "complete -r convscope; unset -f _convscope_completion\n",
    "zsh": "compdef -d convscope; unfunction _convscope_completion\n",
    "fish": "complete -e -c convscope; functions -e _convscope_completion\n",
}
HOW = {shell: f'eval "$(convscope -sc install={shell})"' for shell in ("bash", "zsh")}
HOW["fish"] = "convscope -sc install=fish | source"


def answer_shell(arguments: Sequence[str], commands: Mapping[str, str]) -> str | None:
    """Return what ``-sc install=SHELL``, ``uninstall=SHELL`` or ``query=SHELL`` print; None for another command line.

    Args:
        arguments: The command line, with or without a command before ``-sc``, as Hydra's users write it.
        commands: The commands and their summaries.

    Raises:
        UserError: The shell is none of those that have a completion, or ``-sc`` is incomplete.
    """
    flag = next((index for index, word in enumerate(arguments[:2]) if word in FLAGS), None)
    if flag is None or (flag == 1 and arguments[0] not in commands):
        return None
    verb, _, shell = (arguments[flag + 1] if len(arguments) == flag + 2 else "").partition("=")
    if verb not in ("install", "uninstall", "query") or shell not in INSTALL:
        ways = "; ".join(HOW.values())
        raise UserError(f"{arguments[flag]}: goes with install=SHELL or uninstall=SHELL; write {ways}")
    if verb == "query":
        line = os.environ.get("COMP_LINE", "")
        return "".join(f"{choice}\n" for choice in _choices(line, commands))
    return (INSTALL if verb == "install" else UNINSTALL)[shell].lstrip("\n")


def _choices(line: str, commands: Mapping[str, str]) -> list[str]:
    """Return what the last word of a command line, up to the cursor, may become."""
    *words, word = line.split(" ") if line else ["", ""]
    words = [other for other in words if other]
    if len(words) <= 1:
        return [choice for choice in (*commands, "--help", "--version") if choice.startswith(word)]
    name = words[1]
    if name not in commands:
        return []
    from convscope.composition.completion import complete

    os.environ["HYDRA_FULL_ERROR"] = "1"
    return complete(name, importlib.import_module(f"convscope.commands.{name}").SCHEMA, words[2:], word)
