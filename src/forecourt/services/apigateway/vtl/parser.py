"""From a template's text to its nodes. https://velocity.apache.org/engine/1.7/vtl-reference.html

One pass over the text, one method per construct. White space is Velocity 1.7's: the indent of a `#set` goes, and
so do the blanks and the line break after a directive. What only looks like a reference or a directive is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.apigateway.vtl.nodes import (
    Binary,
    Block,
    Both,
    Break,
    Call,
    Define,
    Either,
    EscapedReference,
    Evaluate,
    Expression,
    Foreach,
    If,
    Index,
    Interpolated,
    Invocation,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Negative,
    Node,
    Not,
    Property,
    Range,
    Reference,
    Set,
    Stop,
    Text,
)
from forecourt.services.apigateway.vtl.state import TemplateError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+(?:[eE][+-]?\d+)?)?(?!\.\.)|\d+")
_DIRECTIVE = re.compile(r"#(?:\{(?P<formal>@?[A-Za-z_][\w-]*)\}|(?P<plain>@?[A-Za-z_][\w-]*))")
_PLAIN_TEXT = re.compile(r"[^$#\\]+")
_LINE_END = re.compile(r"[ \t]*(?:\r\n|\r|\n)")
# From the loosest to the tightest; each level is left-associative.
_LEVELS: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\|\||or\b", {"or": "||"}),
        (r"&&|and\b", {"and": "&&"}),
        (r"==|!=|eq\b|ne\b", {"eq": "==", "ne": "!="}),
        (r"<=|>=|<|>|lt\b|gt\b|le\b|ge\b", {"lt": "<", "gt": ">", "le": "<=", "ge": ">="}),
        (r"[+-]", {}),
        (r"[*/%]", {}),
    )
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_MAX_NESTING = 50


def parse(text: str) -> Block:
    """Raises `TemplateError`."""
    parser = _Parser(text)
    try:
        block, ended_by = parser.block(())
    except RecursionError as error:
        raise parser.error("expressions are nested too deeply") from error
    if ended_by:
        raise parser.error(f"#{ended_by} without a directive that it ends")
    return block


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._nesting = 0

    def error(self, message: str) -> TemplateError:
        line = self.text.count("\n", 0, self.at) + 1
        return TemplateError(f"{message} at line {line}")

    # -- blocks

    def block(self, ends: tuple[str, ...]) -> tuple[Block, str]:
        """The nodes up to one of `ends`, and which one it was (empty at the end of the text)."""
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise self.error("directives are nested too deeply")
        nodes: list[Node] = []
        while self.at < len(self.text):
            if plain := _PLAIN_TEXT.match(self.text, self.at):
                self.at = plain.end()
                _append(nodes, Text(plain[0]))
                continue
            ended_by = self._special(nodes, ends)
            if ended_by:
                self._nesting -= 1
                return Block(tuple(nodes)), ended_by
        self._nesting -= 1
        if ends:
            raise self.error(f"#{ends[-1]} is missing")
        return Block(tuple(nodes)), ""

    def _special(self, nodes: list[Node], ends: tuple[str, ...]) -> str:
        char = self.text[self.at]
        if char == "\\":
            self._escape(nodes)
        elif char == "$":
            reference = self.reference()
            if reference is None:
                self.at += 1
            _append(nodes, Text("$") if reference is None else reference)
        else:
            return self._hash(nodes, ends)
        return ""

    def _hash(self, nodes: list[Node], ends: tuple[str, ...]) -> str:
        if self.text.startswith("##", self.at):
            end = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?").match(self.text, self.at)
            self.at = end.end() if end else len(self.text)
            return ""
        for opening, closing, keep in (("#*", "*#", False), ("#[[", "]]#", True)):
            if self.text.startswith(opening, self.at):
                end_at = self.text.find(closing, self.at + len(opening))
                if end_at < 0:
                    raise self.error(f"{closing} is missing")
                if keep:
                    _append(nodes, Text(self.text[self.at + len(opening) : end_at]))
                self.at = end_at + len(closing)
                return ""
        found = _DIRECTIVE.match(self.text, self.at)
        if found is not None:
            return self._directive(found, nodes, ends)
        self.at += 1
        _append(nodes, Text("#"))
        return ""

    def _directive(self, found: re.Match[str], nodes: list[Node], ends: tuple[str, ...]) -> str:
        name = found["formal"] or found["plain"]
        start, self.at = self.at, found.end()
        if found["formal"] is None and (shorter := _word_of(name, ends)):
            # `#elsewhere` is `#else` and text, as Velocity's lexer has it.
            name, self.at = shorter, start + 1 + len(shorter)
        if name in ("end", "else", "elseif"):
            if name not in ends:
                raise self.error(f"#{name} without a directive that it belongs to")
            if name != "elseif":
                self._line_end()
            return name
        directive = _DIRECTIVES.get(name)
        if directive is not None and (name in _WITHOUT_ARGUMENTS or self._opens()):
            if name == "set":
                self._strip_indent(nodes, start)
            _append(nodes, directive(self))
            return ""
        self._macro_call(name, start, nodes)
        return ""

    def _strip_indent(self, nodes: list[Node], at: int) -> None:
        """The blanks between the line's begin and the directive at `at` are no output."""
        start = at
        while start and self.text[start - 1] in " \t":
            start -= 1
        last = nodes[-1] if nodes else None
        if not isinstance(last, Text) or (start and self.text[start - 1] not in "\r\n"):
            return
        kept = last.text.removesuffix(self.text[start:at])
        nodes.pop()
        _append(nodes, Text(kept))

    def _macro_call(self, name: str, start: int, nodes: list[Node]) -> None:
        if not self._opens():
            _append(nodes, Text(self.text[start : self.at]))
            return
        self._expect("(")
        arguments = self._arguments(")", commas_needed=False)
        body = self.block(("end",))[0] if name.startswith("@") else None
        _append(nodes, Invocation(self.text[start : self.at], name.removeprefix("@"), arguments, body))

    def _escape(self, nodes: list[Node]) -> None:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] == "\\":
            self.at += 1
        count = self.at - start
        if self.text.startswith("$", self.at):
            reference = self.reference()
            if reference is not None:
                _append(nodes, EscapedReference(count, reference))
                return
        elif (found := _DIRECTIVE.match(self.text, self.at)) and (found["formal"] or found["plain"]) in _ALL:
            text = "\\" * (count // 2)
            if count % 2:
                self.at = found.end()
                text += found[0]
            _append(nodes, Text(text))
            return
        _append(nodes, Text("\\" * count))

    def _opens(self) -> bool:
        return re.compile(r"[ \t]*\(").match(self.text, self.at) is not None

    def _line_end(self) -> None:
        if found := _LINE_END.match(self.text, self.at):
            self.at = found.end()

    # -- directives

    def set_directive(self) -> Node:
        self._expect("(")
        self._space()
        reference = self.reference()
        if reference is None:
            raise self.error("#set needs a reference on its left side")
        self._space()
        self._expect("=")
        expression = self.expression()
        self._close()
        return Set(reference, expression)

    def if_directive(self) -> Node:
        branches: list[tuple[Expression, Block]] = []
        ended_by = "elseif"
        while ended_by == "elseif":
            self._expect("(")
            condition = self.expression()
            self._close()
            block, ended_by = self.block(("elseif", "else", "end"))
            branches.append((condition, block))
        otherwise = self.block(("end",))[0] if ended_by == "else" else Block(())
        return If(tuple(branches), otherwise)

    def foreach_directive(self) -> Node:
        self._expect("(")
        self._space()
        reference = self.reference()
        self._space()
        if reference is None or reference.path or not self._take("in"):
            raise self.error("#foreach needs `$name in list`")
        items = self.expression()
        self._close()
        block, ended_by = self.block(("else", "end"))
        otherwise = self.block(("end",))[0] if ended_by == "else" else Block(())
        return Foreach(reference.name, items, block, otherwise)

    def macro_directive(self) -> Node:
        self._expect("(")
        self._space()
        name = self._name()
        parameters = []
        self._space()
        while not self._take(")"):
            self._take(",")
            self._space()
            reference = self.reference()
            if reference is None:
                raise self.error("a #macro's parameters are references")
            parameters.append(reference.name)
            self._space()
        self._line_end()
        block, _ = self.block(("end",))
        return Macro(name, tuple(parameters), block)

    def define_directive(self) -> Node:
        self._expect("(")
        self._space()
        reference = self.reference()
        if reference is None:
            raise self.error("#define needs a reference")
        self._close()
        block, _ = self.block(("end",))
        return Define(reference.name, block)

    def evaluate_directive(self) -> Node:
        self._expect("(")
        text = self.expression()
        self._close()
        return Evaluate(text)

    def stop_directive(self) -> Node:
        self._skip_arguments()
        return Stop()

    def break_directive(self) -> Node:
        self._skip_arguments()
        return Break()

    def _skip_arguments(self) -> None:
        if found := re.compile(r"[ \t]*\([^)]*\)").match(self.text, self.at):
            self.at = found.end()
        self._line_end()

    def _close(self) -> None:
        self._space()
        self._expect(")")
        self._line_end()

    # -- references

    def reference(self) -> Reference | None:
        """The reference that starts here, or None, and then nothing was read."""
        start = self.at
        opening = re.compile(r"\$(!?)(\{?)").match(self.text, start)
        name = _NAME.match(self.text, opening.end()) if opening else None
        if opening is None or name is None:
            return None
        self.at = name.end()
        path = self._path()
        alternate = self._alternate() if opening[2] and self.text.startswith("|", self.at) else None
        if opening[2] and not self._take("}"):
            self.at = start
            return None
        return Reference(self.text[start : self.at], name[0], path, bool(opening[1]), alternate)

    def _alternate(self) -> Expression | None:
        """None: a bar in braces that no value follows. It is text, then."""
        start, nesting = self.at, self._nesting
        self.at += 1
        try:
            alternate = self.expression()
        except TemplateError:
            self.at, self._nesting = start, nesting
            return None
        self._space()
        return alternate

    def _path(self) -> tuple[Property | Call | Index, ...]:
        path: list[Property | Call | Index] = []
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                self.at += 1
                path.append(Index(self.expression()))
                self._space()
                self._expect("]")
                continue
            name = _NAME.match(self.text, self.at + 1) if self.text[self.at] == "." else None
            if name is None:
                break
            self.at = name.end()
            if self.text.startswith("(", self.at):
                self.at += 1
                path.append(Call(name[0], self._arguments(")")))
            else:
                path.append(Property(name[0]))
        return tuple(path)

    def _arguments(self, closing: str, commas_needed: bool = True) -> tuple[Expression, ...]:
        arguments: list[Expression] = []
        self._space()
        while not self._take(closing):
            if arguments and not self._take(",") and commas_needed:
                raise self.error(f"a comma or {closing} is missing")
            arguments.append(self.expression() if commas_needed else self._primary())
            self._space()
        return tuple(arguments)

    # -- expressions

    def expression(self, level: int = 0) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        if level == 0:
            self._nesting += 1
            if self._nesting > _MAX_NESTING:
                raise self.error("expressions are nested too deeply")
        pattern, words = _LEVELS[level]
        left = self.expression(level + 1)
        while True:
            self._space()
            found = pattern.match(self.text, self.at)
            if found is None:
                break
            self.at = found.end()
            left = _binary(words.get(found[0], found[0]), left, self.expression(level + 1))
        if level == 0:
            self._nesting -= 1
        return left

    def _unary(self) -> Expression:
        self._space()
        if found := re.compile(r"!(?!=)|not\b").match(self.text, self.at):
            self.at = found.end()
            return Not(self._unary())
        if self.text.startswith("-", self.at):
            self.at += 1
            return Negative(self._unary())
        return self._primary()

    def _primary(self) -> Expression:
        self._space()
        char = self.text[self.at : self.at + 1]
        reader = _PRIMARIES.get(char)
        if reader is not None:
            return reader(self)
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return Literal(float(number[0]) if "." in number[0] else int(number[0]))
        word = _NAME.match(self.text, self.at)
        if word is not None and word[0] in _CONSTANTS:
            self.at = word.end()
            return Literal(_CONSTANTS[word[0]])
        raise self.error(f"an expression is expected, not {char!r}")

    def _reference_expression(self) -> Expression:
        reference = self.reference()
        if reference is None:
            raise self.error("not a reference")
        return reference

    def _parenthesis(self) -> Expression:
        self.at += 1
        inner = self.expression()
        self._space()
        self._expect(")")
        return inner

    def _list_or_range(self) -> Expression:
        self.at += 1
        self._space()
        if self._take("]"):
            return ListOf(())
        first = self.expression()
        self._space()
        if self._take(".."):
            last = self.expression()
            self._space()
            self._expect("]")
            return Range(first, last)
        if self._take("]"):
            return ListOf((first,))
        self._expect(",")
        return ListOf((first, *self._arguments("]")))

    def _map(self) -> Expression:
        self.at += 1
        items: list[tuple[Expression, Expression]] = []
        self._space()
        while not self._take("}"):
            if items:
                self._expect(",")
            key = self.expression()
            self._space()
            self._expect(":")
            items.append((key, self.expression()))
            self._space()
        return MapOf(tuple(items))

    def _single_quoted(self) -> Expression:
        return Literal(self._quoted("'"))

    def _double_quoted(self) -> Expression:
        content = self._quoted('"')
        if "$" not in content and "#" not in content:
            return Literal(content)
        return Interpolated(parse(content))

    def _quoted(self, quote: str) -> str:
        """A doubled quote stands for one. A backslash is no escape, save that of the quote itself."""
        start = self.at + 1
        end = start
        while True:
            end = self.text.find(quote, end)
            if end < 0:
                raise self.error(f"{quote} is missing")
            if self.text.startswith(quote, end + 1) and not self._ends_string(end + 1):
                end += 2
            elif self.text[end - 1] == "\\" and end > start and not self._ends_string(end):
                end += 1
            else:
                break
        self.at = end + 1
        return self.text[start:end].replace(quote * 2, quote).replace("\\" + quote, quote)

    def _ends_string(self, at: int) -> bool:
        """Is the quote at `at` followed by what follows a string?"""
        return re.compile(r".\s*(?:[),\]}:]|[=!<>&|+*/%]|and\b|or\b|in\b|$)").match(self.text, at) is not None

    # -- small things

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _expect(self, token: str) -> None:
        self._space()
        if not self._take(token):
            raise self.error(f"{token!r} is expected")

    def _name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self.error("a name is expected")
        self.at = found.end()
        return found[0]


_DIRECTIVES: Mapping[str, Callable[[_Parser], Node]] = {
    "set": _Parser.set_directive,
    "if": _Parser.if_directive,
    "foreach": _Parser.foreach_directive,
    "macro": _Parser.macro_directive,
    "define": _Parser.define_directive,
    "evaluate": _Parser.evaluate_directive,
    "stop": _Parser.stop_directive,
    "break": _Parser.break_directive,
}
_WITHOUT_ARGUMENTS = frozenset({"stop", "break"})
_ALL = frozenset({*_DIRECTIVES, "else", "elseif", "end"})
_PRIMARIES: Mapping[str, Callable[[_Parser], Expression]] = {
    "$": _Parser._reference_expression,
    "(": _Parser._parenthesis,
    "[": _Parser._list_or_range,
    "{": _Parser._map,
    "'": _Parser._single_quoted,
    '"': _Parser._double_quoted,
}


def _binary(symbol: str, left: Expression, right: Expression) -> Expression:
    if symbol == "||":
        return Either(left, right)
    if symbol == "&&":
        return Both(left, right)
    return Binary(symbol, left, right)


def _word_of(name: str, ends: tuple[str, ...]) -> str:
    """`else` of `elsewhere` and `end` of `endif`, where such a word may stand."""
    if name in _ALL:
        return ""
    return next((end for end in ("end", "else") if end in ends and name.startswith(end)), "")


def _append(nodes: list[Node], node: Any) -> None:
    """Adjacent text becomes one node."""
    if isinstance(node, Text):
        if not node.text:
            return
        if nodes and isinstance(nodes[-1], Text):
            nodes[-1] = Text(nodes[-1].text + node.text)
            return
    nodes.append(node)
