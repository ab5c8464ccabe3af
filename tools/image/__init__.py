"""What `./build.sh image` needs beside mkosi: which programs must be in the image, and the manifest of what was made."""
