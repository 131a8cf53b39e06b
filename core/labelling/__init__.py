"""Label documents by a large model: a teacher answers, what it says is checked, rows are written.

- ``teacher``: what a teacher is asked and what it answers
- ``chat_teacher``: any server with OpenAI's route for chats, by HTTP
- ``chat_answer``: the contents of the server's answer
- ``local_teacher``: a model of this machine, by our decoder
- ``answer_file``: the answers so far, which are asked for once
- ``budget``: tokens and money that may be spent
- ``reading``: from an answer to a record that the window holds
- ``consensus``: one record of several samples
- ``documents``: one document: its questions, and its row or the reason why it has none
- ``label``: label all documents and write the files
"""
