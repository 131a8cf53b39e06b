"""Report a scored run: as tables, as an HTML page, as PNG figures, as JSON.

- ``scored_run``: reads scores, log, predictions and data of a run
- ``error_kinds``: classifies each value as right, wrong, split, merged, missing or invented
- ``comparison``: compares two runs on the same documents
- ``plots``: titles, axis labels and series of the line plots
- ``page``, ``marked_text``, ``page_pictures``, ``charts``: the HTML page, the marks in a text, the
  pages of PDFs with values framed, the SVG charts
- ``figures``: the PNG figures
- ``as_json``: the JSON object
- ``display``: values and texts as a reader sees them
"""
