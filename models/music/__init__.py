"""The beat maker: a GAN over piano-rolls, arranger, kits and mixer."""
