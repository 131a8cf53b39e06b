"""Fine-tune a model with QLoRA on TRL's SFTTrainer."""
