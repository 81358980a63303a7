"""JPEG files edited in their DCT blocks, through the libjpeg-turbo that Pillow carries; see the README."""
