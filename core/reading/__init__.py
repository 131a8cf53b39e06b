"""Read files of any kind as text: PDF, HTML, DOCX, and what gzip and zip compress.

- kinds: which kind of file it is, by its content, and what reads it
- pdf: the characters of a PDF's pages
- pdf_content: what a page draws; pdf_layers: which layers are off; pdf_annotations: fields and
  notes; pdf_fields: values of fields without an appearance
- pdf_glyphs: characters that no font draws; pdf_values: values of objects
- page_lines: characters of a page as lines
- bidi: lines from right to left in the order in which they are read
- reading_order: lines of a page in the order in which they are read
- page_text: pages as one text, and where its words stand
- boxes: where a span of a text stands
- html, docx: the text of such a file; docx_hidden: which of it Word hides
- archives: unpack gzip and zip
- reader: read in another process, which a hostile file can only end
- pictures: pages of a PDF as pictures
"""
