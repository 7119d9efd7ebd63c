"""Which fields of the CRI a test uses.

A test says by @covers which fields it looks at; test/coverage makes the list of
all fields from that. What is said is held against what happens: while a test
runs, every field with a value that goes to the server or comes from it is
noted, and a test that passes without having met a field that it claims, fails.

Names are those of test/wire/cri_v1_wire.tsv: "Message.field", "Enum.VALUE",
"Service.Verb"; "Message.*" and "Enum.*" are all of one. A default value (0, "", false)
does not count for a field, but does for an enum.
"""

import json
import os

_COVERS = "gantry_covers"
_UNSET = "gantry_covers_unset"
_PACKAGE = "runtime.v1."


def covers(*names):
    """The test sends these (requests) or reads them (answers)."""
    return _mark(_COVERS, names)


def covers_unset(*names):
    """The test sees that no answer has these: what another system has, or what
    is not built."""
    return _mark(_UNSET, names)


def _mark(kind, names):
    def note(test):
        setattr(test, kind, getattr(test, kind, ()) + names)
        return test
    return note


def _short(descriptor):
    return descriptor.full_name.removeprefix(_PACKAGE)


def _of_cri(descriptor):
    return descriptor.full_name.startswith(_PACKAGE)


class Notes:
    """What was met since the last clear()."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.fields = set()
        self.members = {}  # message or enum met -> names of all it has

    def message(self, message):
        descriptor = message.DESCRIPTOR
        if not _of_cri(descriptor):
            return
        name = _short(descriptor)
        self.members[name] = [field.name for field in descriptor.fields]
        for field in descriptor.fields:
            if field.enum_type is not None:
                self._enums(field, getattr(message, field.name))
        for field, value in message.ListFields():
            self.fields.add(f"{name}.{field.name}")
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                inner = field.message_type.fields_by_name["value"]
                if inner.message_type is not None:
                    for part in value.values():
                        self.message(part)
            elif field.label == field.LABEL_REPEATED:
                for part in value:
                    self.message(part)
            else:
                self.message(value)

    def _enums(self, field, value):
        values = value if field.label == field.LABEL_REPEATED else [value]
        name = _short(field.enum_type)
        self.members[name] = list(field.enum_type.values_by_name)
        for number in values:
            known = field.enum_type.values_by_number.get(number)
            if known is not None:
                self.fields.add(f"{name}.{known.name}")

    def verb(self, service, verb):
        self.fields.add(f"{service}.{verb}")

    # -- what a test claims

    def check(self, test):
        """Lines about claims of the test method that do not hold."""
        wrong = []
        for name in getattr(test, _COVERS, ()):
            parent, field = name.rsplit(".", 1)
            if field != "*":
                if name not in self.fields:
                    wrong.append(f"{name}: neither sent nor received")
            elif parent not in self.members:
                wrong.append(f"{name}: no {parent} sent or received")
            else:
                wrong += [f"{parent}.{part}: neither sent nor received"
                          for part in self.members[parent]
                          if f"{parent}.{part}" not in self.fields]
        for name in getattr(test, _UNSET, ()):
            parent, field = name.rsplit(".", 1)
            if name in self.fields or field == "*" and parent in self.members:
                wrong.append(f"{name}: there was one")
        return wrong


NOTES = Notes()


def note_end(test_id):
    """Appends what the test met to the file $GANTRY_FIELDS, if that is set: to
    see what a test could claim."""
    if path := os.environ.get("GANTRY_FIELDS"):
        with open(path, "a", encoding="utf-8") as out:
            out.write(json.dumps({"test": test_id,
                                  "fields": sorted(NOTES.fields)}) + "\n")


class RecordedStub:
    """A gRPC stub whose calls are noted."""

    def __init__(self, service, stub):
        self._service = service
        self._stub = stub

    def __getattr__(self, verb):
        return _RecordedVerb(self._service, verb, getattr(self._stub, verb))


class _RecordedVerb:

    def __init__(self, service, verb, call):
        self._name = service, verb
        self._call = call

    def _note_request(self, request):
        NOTES.verb(*self._name)
        NOTES.message(request)

    def __call__(self, request, **options):
        self._note_request(request)
        answer = self._call(request, **options)
        if hasattr(answer, "DESCRIPTOR"):
            NOTES.message(answer)
            return answer
        return _RecordedStream(answer)

    def future(self, request, **options):
        self._note_request(request)
        future = self._call.future(request, **options)

        def note(done):
            if not done.cancelled() and done.exception() is None:
                NOTES.message(done.result())
        future.add_done_callback(note)
        return future


class _RecordedStream:
    """A stream of answers; all else is the call's own."""

    def __init__(self, call):
        self._call = call

    def __iter__(self):
        return self

    def __next__(self):
        answer = next(self._call)
        NOTES.message(answer)
        return answer

    def __getattr__(self, name):
        return getattr(self._call, name)
