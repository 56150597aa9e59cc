"""Transformations: a header that is set by a template, as far as routes know it.

A route takes its destination from a template, and sets headers to fixed texts. So a template may stand in the
one header that `autoHostRewriteHeader` names; in any other it is refused.
"""

import re
from typing import Any, Literal

from pydantic import model_validator

from penstock.egress.resources.resource import Spec

_MARK = re.compile(r"\{\{|\{%|\{#")
_HEADER_CALL = re.compile(r"\{\{-?\s*request_header\(")


class HeaderTemplate(Spec):
    """What a header becomes."""

    text: str


class TransformationTemplate(Spec):
    """What is changed about a request."""

    headers: dict[str, HeaderTemplate] = {}
    parse_body_behavior: Literal["ParseAsJson", "DontParse"] = "ParseAsJson"
    passthrough: dict[str, Any] | None = None
    advanced_templates: bool = False

    @model_validator(mode="after")
    def _is_what_routes_know(self) -> "TransformationTemplate":
        if self.advanced_templates:
            raise ValueError("advancedTemplates is not known; fields are written {{ order.region }}")
        if self.passthrough:
            raise ValueError("passthrough is an empty table")
        return self

    @property
    def parses_body(self) -> bool:
        """Whether fields of a JSON body may stand in a template."""
        return self.passthrough is None and self.parse_body_behavior == "ParseAsJson"

    def fixed(self) -> dict[str, str]:
        """The headers that are set to a text without a template."""
        return {name: said.text for name, said in self.headers.items() if not _MARK.search(said.text)}

    def templates(self) -> dict[str, str]:
        """The headers that are set by templates, by lower-case name."""
        return {
            name.lower(): _HEADER_CALL.sub("{{ header(", said.text)
            for name, said in self.headers.items()
            if _MARK.search(said.text)
        }


class RequestTransformation(Spec):
    """One way to change a request."""

    transformation_template: TransformationTemplate


class Transformations(Spec):
    """What is changed on the way to the destination."""

    request_transformation: RequestTransformation


class RequestTransform(Spec):
    """One of a stage."""

    request_transformation: RequestTransformation


class Stage(Spec):
    """What is changed at one time."""

    request_transforms: list[RequestTransform] = []


class StagedTransformations(Spec):
    """What is changed early, and later."""

    early: Stage = Stage()
    regular: Stage = Stage()


class Transforming(Spec):
    """Options that may change requests."""

    transformations: Transformations | None = None
    staged_transformations: StagedTransformations | None = None

    @model_validator(mode="after")
    def _changes_once(self) -> "Transforming":
        if len(self._all()) > 1:
            raise ValueError(
                "one transformation of requests is known on each route; write its headers into one"
            )
        return self

    @property
    def transformation(self) -> TransformationTemplate | None:
        """What is changed about a request, if anything."""
        return next(iter(self._all()), None)

    def _all(self) -> list[TransformationTemplate]:
        found = [] if self.transformations is None else [self.transformations.request_transformation]
        if self.staged_transformations is not None:
            stages = (self.staged_transformations.early, self.staged_transformations.regular)
            found += [
                change.request_transformation for stage in stages for change in stage.request_transforms
            ]
        return [change.transformation_template for change in found]
