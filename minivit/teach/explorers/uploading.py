"""A menu of pictures and beside it a button for the reader's own: what an explorer of pictures is built on."""

from collections.abc import Callable
from typing import Any

from minivit.teach.explorers import complaint, picture_of, uploads, widgets


class Uploading:
    """An explorer's menu of pictures; an upload is put on top of it and chosen, or a `message` says why it cannot be.

    `pictures` are functions by name, called when chosen. Whoever inherits observes `choice` with `_changed(change)`,
    which is called once for an upload too, and does nothing while `_busy`.
    """

    def __init__(self, pictures: dict[str, Callable[[], Any]], label: int = 80, button: str = "Your own"):
        """`label` is the width of the menu's name in pixels, `button` the words on the button."""
        kit = widgets()
        self.pictures, self._busy, self._button = pictures, False, button
        self.choice = kit.Dropdown(
            description="Picture", options=list(pictures), style={"description_width": f"{label}px"},
            layout=kit.Layout(width="420px", max_width="100%"),
        )  # fmt: skip
        self.upload_box, self.message = kit.HBox([]), kit.HTML()
        self._new_upload()

    def _new_upload(self) -> None:
        """A fresh button for each file: the same file can come twice, under ipywidgets 7 and 8 alike."""
        kit = widgets()
        self.upload = kit.FileUpload(accept="image/*", description=self._button, layout=kit.Layout(width="auto"))
        self.upload.observe(self._uploaded, "value")
        self.upload_box.children = (self.upload, kit.Label("up to 10 MB"))

    def _uploaded(self, change: Any) -> None:
        for file in uploads(change["new"]):
            try:
                picture = picture_of(file)
            except (OSError, ValueError) as error:
                self.message.value = complaint(file.name, error)
            else:
                self._add(f"yours: {file.name}", picture)
        if change["new"]:
            self._new_upload()

    def _add(self, name: str, picture: Any) -> None:
        """Puts an upload on top of the menu and shows it; the same name again takes its place."""
        self.pictures = {name: lambda: picture} | {k: v for k, v in self.pictures.items() if k != name}
        self._busy = True
        self.choice.options = list(self.pictures)
        self.choice.value = name
        self._busy = False
        self._changed({"owner": self.choice})
