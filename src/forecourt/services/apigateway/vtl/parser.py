"""From a template's text to its nodes. https://velocity.apache.org/engine/1.7/vtl-reference.html

One pass over the text, one method per directive. White space is Velocity 1.7's: the indent of a `#set` goes, and
so do the blanks and the line break after a directive. What only looks like a reference or a directive is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby

from forecourt.services.apigateway.vtl.nodes import (
    Block,
    Break,
    Define,
    EscapedReference,
    Evaluate,
    Expression,
    Foreach,
    If,
    Invocation,
    Macro,
    Node,
    Set,
    Stop,
    Text,
)
from forecourt.services.apigateway.vtl.phrases import MAX_NESTING, Phrases
from forecourt.services.apigateway.vtl.state import TemplateError

_DIRECTIVE = re.compile(r"#(?:\{(?P<formal>@?[A-Za-z_][\w-]*)\}|(?P<plain>@?[A-Za-z_][\w-]*))")
_PLAIN_TEXT = re.compile(r"[^$#\\]+")
_COMMENT = re.compile(r"##[^\r\n]*(?:\r\n|\r|\n)?")
_OPENING = re.compile(r"[ \t]*\(")
_LINE_END = re.compile(r"[ \t]*(?:\r\n|\r|\n)")


def parse(text: str) -> Block:
    """Raises `TemplateError`."""
    parser = _Parser(text)
    try:
        return parser.whole()
    except TemplateError as error:
        raise TemplateError(f"{error} at line {parser.line()}") from None
    except RecursionError:
        raise TemplateError(f"expressions are nested too deeply at line {parser.line()}") from None


class _Parser(Phrases):
    def whole(self) -> Block:
        block, ended_by = self.block(())
        if ended_by:
            raise TemplateError(f"#{ended_by} without a directive that it ends")
        return block

    def template(self, text: str) -> Block:
        return _Parser(text).whole()

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    # -- blocks

    def block(self, ends: tuple[str, ...]) -> tuple[Block, str]:
        """The nodes up to one of `ends`, and which one it was (empty at the end of the text)."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise TemplateError("directives are nested too deeply")
        nodes: list[Node] = []
        while self.at < len(self.text):
            if plain := _PLAIN_TEXT.match(self.text, self.at):
                self.at = plain.end()
                nodes.append(Text(plain[0]))
                continue
            ended_by = self._special(nodes, ends)
            if ended_by:
                self._nesting -= 1
                return Block(_joined(nodes)), ended_by
        self._nesting -= 1
        if ends:
            raise TemplateError(f"#{ends[-1]} is missing")
        return Block(_joined(nodes)), ""

    def _special(self, nodes: list[Node], ends: tuple[str, ...]) -> str:
        char = self.text[self.at]
        if char == "\\":
            nodes.append(self._escaped())
        elif char == "$":
            reference = self.reference()
            if reference is None:
                self.at += 1
            nodes.append(Text("$") if reference is None else reference)
        else:
            return self._hash(nodes, ends)
        return ""

    def _hash(self, nodes: list[Node], ends: tuple[str, ...]) -> str:
        if comment := _COMMENT.match(self.text, self.at):
            self.at = comment.end()
        elif self.text.startswith("#*", self.at):
            self._enclosed("#*", "*#")
        elif self.text.startswith("#[[", self.at):
            nodes.append(Text(self._enclosed("#[[", "]]#")))
        elif found := _DIRECTIVE.match(self.text, self.at):
            return self._directive(found, nodes, ends)
        else:
            self.at += 1
            nodes.append(Text("#"))
        return ""

    def _enclosed(self, opening: str, closing: str) -> str:
        start = self.at + len(opening)
        end = self.text.find(closing, start)
        if end < 0:
            raise TemplateError(f"{closing} is missing")
        self.at = end + len(closing)
        return self.text[start:end]

    def _directive(self, found: re.Match[str], nodes: list[Node], ends: tuple[str, ...]) -> str:
        name = found["formal"] or found["plain"]
        start, self.at = self.at, found.end()
        if found["formal"] is None and (shorter := _word_of(name, ends)):
            # `#elsewhere` is `#else` and text, as Velocity's lexer has it.
            name, self.at = shorter, start + 1 + len(shorter)
        if name in ("end", "else", "elseif"):
            if name not in ends:
                raise TemplateError(f"#{name} without a directive that it belongs to")
            if name != "elseif":
                self._line_end()
            return name
        directive = _DIRECTIVES.get(name)
        if directive is not None and (name in _WITHOUT_ARGUMENTS or self._opens()):
            if name == "set":
                self._strip_indent(nodes, start)
            nodes.append(directive(self))
        else:
            nodes.append(self._macro_call(name, start))
        return ""

    def _strip_indent(self, nodes: list[Node], at: int) -> None:
        """The blanks between the line's begin and the directive at `at` are no output."""
        start = at
        while start and self.text[start - 1] in " \t":
            start -= 1
        last = nodes[-1] if nodes else None
        if isinstance(last, Text) and (not start or self.text[start - 1] in "\r\n"):
            nodes[-1] = Text(last.text.removesuffix(self.text[start:at]))

    def _macro_call(self, name: str, start: int) -> Node:
        if not self._opens():
            return Text(self.text[start : self.at])
        self._expect("(")
        arguments = self._arguments(")", commas_needed=False)
        body = self.block(("end",))[0] if name.startswith("@") else None
        return Invocation(self.text[start : self.at], name.removeprefix("@"), arguments, body)

    def _escaped(self) -> Node:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] == "\\":
            self.at += 1
        count = self.at - start
        if (reference := self.reference()) is not None:
            return EscapedReference(count, reference)
        found = _DIRECTIVE.match(self.text, self.at)
        if found is None or (found["formal"] or found["plain"]) not in _ALL:
            return Text("\\" * count)
        if count % 2 == 0:
            return Text("\\" * (count // 2))
        self.at = found.end()
        return Text("\\" * (count // 2) + found[0])

    def _opens(self) -> bool:
        return _OPENING.match(self.text, self.at) is not None

    def _line_end(self) -> None:
        if found := _LINE_END.match(self.text, self.at):
            self.at = found.end()

    # -- directives

    def set_directive(self) -> Node:
        self._expect("(")
        self._space()
        reference = self.reference()
        if reference is None:
            raise TemplateError("#set needs a reference on its left side")
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
            raise TemplateError("#foreach needs `$name in list`")
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
                raise TemplateError("a #macro's parameters are references")
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
            raise TemplateError("#define needs a reference")
        self._close()
        block, _ = self.block(("end",))
        return Define(reference.name, block)

    def evaluate_directive(self) -> Node:
        self._expect("(")
        text = self.expression()
        self._close()
        return Evaluate(text)

    def stop_directive(self) -> Node:
        return Stop()

    def break_directive(self) -> Node:
        return Break()

    def _close(self) -> None:
        self._space()
        self._expect(")")
        self._line_end()


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
# What follows them in their block is never rendered, `($foreach)` included.
_WITHOUT_ARGUMENTS = frozenset({"stop", "break"})
_ALL = frozenset({*_DIRECTIVES, "else", "elseif", "end"})


def _word_of(name: str, ends: tuple[str, ...]) -> str:
    """`else` of `elsewhere` and `end` of `endif`, where such a word may stand."""
    if name in _ALL:
        return ""
    return next((end for end in ("end", "else") if end in ends and name.startswith(end)), "")


def _joined(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Adjacent text becomes one node."""
    joined: list[Node] = []
    for is_text, run in groupby(nodes, lambda node: isinstance(node, Text)):
        if not is_text:
            joined += run
        elif text := "".join(node.text for node in run if isinstance(node, Text)):
            joined.append(Text(text))
    return tuple(joined)
