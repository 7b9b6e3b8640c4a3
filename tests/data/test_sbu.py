"""The reader of SBU Captioned Photos, on small files in the formats of its release and its downloaders."""

import json

import pytest

from tinymm.data.readers.sbu import read_sbu
from tinymm.experiments.captioning.datasets import open_captions

from .test_captions import paint, write

URLS = ["http://static.flickr.com/2723/4385058960_b0f291553e.jpg", "http://static.flickr.com/3348/3183472382_156bcbc461.jpg",
        "http://static.flickr.com/3326/3596303505_3ce4c20529.jpg"]
CAPTIONS = ['A chair , "wooden" .', "The boat\u2028on the river\tat 5% ", "caf\u00e9 in the rain"]
BY_URL = [url.rsplit("/", 1)[-1] for url in URLS]
URLS_FILE, CAPTIONS_FILE = "SBU_captioned_photo_dataset_urls.txt", "SBU_captioned_photo_dataset_captions.txt"


def release(folder, urls=None, captions=None):
    """The two text files of the release, below ``folder``."""
    write(folder / URLS_FILE, "\n".join(URLS if urls is None else urls) + "\n")
    write(folder / CAPTIONS_FILE, "\n".join(CAPTIONS if captions is None else captions) + "\n")
    return folder


def check(data, files, missing=()):
    """Line i has the picture files[i], of width 8 + i, and the caption of line i."""
    assert [r.captions for r in data.records] == [(caption,) for caption in CAPTIONS]
    assert [r.image_id for r in data.records] == [1, 2, 3] and data.splits == {None: 3} and data.notes == ()
    assert [r.image_id for r in data.missing] == list(missing)
    assert [r.path for r in data.present().records] == [file for i, file in enumerate(files, 1) if i not in missing]
    assert [data.present()[i][0].shape[2] for i in range(3 - len(missing))] == [7 + i for i in (1, 2, 3) if i not in missing]


def download(files, lost=()):
    for i, file in enumerate(files, 1):
        if i not in lost:
            paint(file, 6, 7 + i)


@pytest.mark.parametrize("texts, place", [("", "images"), ("dataset", "dataset"), ("dataset", "dataset/images"), ("", "."),
                                          ("texts", "images/0/12"), ("", "sbu_images")])
def test_the_release_with_pictures_named_as_in_their_urls(tmp_path, texts, place):
    release(tmp_path / texts)
    files = [tmp_path / place / name for name in BY_URL]
    download(files, lost=[2])
    check(read_sbu(tmp_path), files, missing=[2])


def test_pictures_named_by_the_releases_own_script(tmp_path):
    release(tmp_path)
    files = [tmp_path / "sbu_images" / name for name in ("m_2723_4385058960_b0f291553e.jpg", "m_3348_3183472382_156bcbc461.jpg",
                                                         "m_3326_3596303505_3ce4c20529.jpg")]
    download(files, lost=[1])
    check(read_sbu(tmp_path, image_size=None), files, missing=[1])


def test_image_size_and_channels(tmp_path):
    download([release(tmp_path) / "images" / name for name in BY_URL])
    assert read_sbu(tmp_path, image_size=4, channels=1).batch([0, 2])[0].shape == (2, 1, 4, 4)


def test_the_json_file(tmp_path):
    write(tmp_path / "sbu-captions-all.json", {"image_urls": URLS, "captions": CAPTIONS, "user_ids": ["47889917@N08"] * 3})
    files = [tmp_path / "images" / name for name in BY_URL]
    download(files, lost=[3])
    check(read_sbu(tmp_path), files, missing=[3])


# pictures named by line number

@pytest.mark.parametrize("first, form, lost", [
    (0, "images/{:07}.jpg", [3]),                   # the picture 0 is there
    (1, "images/{}.jpg", [1]),                      # the picture 3 is there
    (0, "sbucaptions/00000/{:09}.jpg", [1, 3]),     # img2dataset
    (0, "images_train/0000/{:07}.jpg", [1]),
    (1, "images/0000/{:07}.jpg", [1]),              # the picture 3 is there, whatever the folder
])
def test_the_first_number_is_found_out(tmp_path, first, form, lost):
    release(tmp_path)
    files = [tmp_path / form.format(number) for number in range(first, first + 3)]
    download(files, lost)
    check(read_sbu(tmp_path), files, missing=lost)


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_number_can_be_given(tmp_path, first):
    release(tmp_path)
    files = [tmp_path / "images" / f"{number}.jpg" for number in range(first, first + 3)]
    lost = {0: [1, 3], 1: [2, 3]}[first]   # only the picture 1 is there
    download(files, lost)
    with pytest.raises(ValueError, match=r"by number, 1\.jpg to 1\.jpg, .* 3 URLs; give first_number=0 or first_number=1"):
        read_sbu(tmp_path)
    check(read_sbu(tmp_path, first_number=first), files, missing=lost)


@pytest.mark.parametrize("numbers, first", [((0, 3), None), ((2, 4), None), ((0, 2), 1), ((1, 3), 0)])
def test_numbers_that_do_not_fit_the_lines_are_refused(tmp_path, numbers, first):
    release(tmp_path)
    download([tmp_path / "images" / f"{number}.jpg" for number in numbers])
    with pytest.raises(ValueError, match=rf"{numbers[0]}\.jpg to {numbers[1]}\.jpg, .* 3 URLs; expected numbers from 0 to 2"):
        read_sbu(tmp_path, first_number=first)


def test_numbers_that_begin_again_in_each_folder_are_refused(tmp_path):
    download([release(tmp_path) / "images" / name for name in ("00/1.jpg", "01/1.jpg")])
    with pytest.raises(ValueError, match=r"1\.jpg and .*1\.jpg have the same number; expected the number of a line"):
        read_sbu(tmp_path)
    with pytest.raises(ValueError, match="read_sbu: first_number=2 must be 0, 1 or None"):
        read_sbu(tmp_path, first_number=2)


def test_names_from_the_urls_go_before_numbers(tmp_path):
    files = [release(tmp_path) / "images" / name for name in BY_URL]
    download(files, lost=[1])
    download([tmp_path / "thumbnails" / f"{number}.jpg" for number in (7, 8, 9)])
    check(read_sbu(tmp_path), files, missing=[1])


# what is odd, and stays

def test_repeated_urls_and_blank_captions_are_kept_and_counted(tmp_path):
    release(tmp_path, [URLS[0], URLS[1], URLS[0], URLS[0]], ["one", "", "three", "  "])
    paint(tmp_path / "images" / BY_URL[0])
    data = read_sbu(tmp_path)
    assert [r.captions for r in data.records] == [("one",), ("",), ("three",), ("  ",)]
    assert [r.image_id for r in data.present().records] == [1, 3, 4]
    assert data.notes == ("2 of the 4 URLs repeat an earlier one", "2 captions are blank: line 2, 4")


def test_many_blank_captions_are_not_all_listed(tmp_path):
    write(tmp_path / "sbu-captions-all.json", {"image_urls": [f"http://a/{i}_x.jpg" for i in range(9)], "captions": [""] * 9})
    assert read_sbu(tmp_path).notes == ("9 captions are blank: record 1, 2, 3, 4, 5, ...",)


def test_blank_lines_at_the_end_belong_to_no_picture(tmp_path):
    release(tmp_path, [*URLS, "", ""], [*CAPTIONS, "", "", ""])
    assert [r.captions for r in read_sbu(tmp_path).records] == [(caption,) for caption in CAPTIONS]
    release(tmp_path, [*URLS, ""], [*CAPTIONS[:2], ""])   # a blank caption of the last picture does
    assert read_sbu(tmp_path).notes == ("1 captions are blank: line 3",)


def test_windows_line_ends_and_a_byte_order_mark(tmp_path):
    write(tmp_path / URLS_FILE, "\ufeff" + "\r\n".join(URLS))
    write(tmp_path / CAPTIONS_FILE, "\ufeff" + "\r\n".join(CAPTIONS))
    check(read_sbu(tmp_path), [], missing=[1, 2, 3])


def test_with_no_picture_the_missing_ones_belong_in_images(tmp_path):
    data = read_sbu(release(tmp_path))
    assert len(data.missing) == 3 and data.records[1].path == tmp_path / "images" / BY_URL[1] and len(data.present()) == 0
    assert f"the folder {tmp_path / 'images'} does not exist" in data.missing_message()


def test_reading_captions_opens_no_picture(tmp_path):
    write(release(tmp_path) / "images" / BY_URL[0], "damaged")
    data = read_sbu(tmp_path)
    with pytest.raises(ValueError, match=r"4385058960_b0f291553e\.jpg is not a whole, readable picture"):
        data[0]
    with pytest.raises(FileNotFoundError, match="2 of 3 picture files are missing"):
        data[1]


# damage

@pytest.mark.parametrize("urls, captions, message", [
    (URLS, CAPTIONS[:2], r"_urls\.txt has 3 URLs and .*_captions\.txt has 2 captions; expected one caption for each URL"),
    (URLS[:1], CAPTIONS, r"_urls\.txt has 1 URLs and .*_captions\.txt has 3 captions"),
    ([], [], r"_urls\.txt has 0 URLs and .*_captions\.txt has 0 captions"),
    ([URLS[0], "", URLS[2]], CAPTIONS, r"_urls\.txt line 2: expected the URL of a picture such as http://static.*, got ''"),
    ([URLS[0], URLS[1], "A chair"], CAPTIONS, r"_urls\.txt line 3: expected the URL of a picture such as .*, got 'A chair'"),
    ([URLS[0], "http://static.flickr.com/", URLS[2]], CAPTIONS, r"_urls\.txt line 2: expected the URL of a picture"),
])
def test_damaged_text_files_are_explained(tmp_path, urls, captions, message):
    with pytest.raises(ValueError, match="read_sbu: .*" + message):
        read_sbu(release(tmp_path, urls, captions))


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    (release(tmp_path) / CAPTIONS_FILE).write_bytes(b"one\ncaf\xe9\nthree\n")
    with pytest.raises(ValueError, match=r"read_sbu: .*_captions\.txt line 2: byte 0xe9 at position 3 is not UTF-8"):
        read_sbu(tmp_path)


@pytest.mark.parametrize("content, message", [
    ({"image_urls": URLS, "captions": CAPTIONS[:1]}, r"all\.json has 3 'image_urls' and 1 'captions'; expected one caption"),
    ({"image_urls": URLS}, r"all\.json has no list 'captions', it is an object with the fields \['image_urls'\]"),
    ({"image_urls": URLS, "captions": ["a", None, "c"]}, r"all\.json record 2: 'captions' must be strings, got None"),
    ({"image_urls": [*URLS[:2], 3], "captions": CAPTIONS}, r"all\.json record 3: 'image_urls' must be strings, got 3"),
    ({"image_urls": [*URLS[:2], "x"], "captions": CAPTIONS}, r"all\.json record 3: expected the URL of a picture .*, got 'x'"),
])
def test_damaged_json_is_explained(tmp_path, content, message):
    write(tmp_path / "sbu-captions-all.json", content)
    with pytest.raises(ValueError, match="read_sbu: .*" + message):
        read_sbu(tmp_path)


def test_truncated_json_is_located(tmp_path):
    text = json.dumps({"image_urls": URLS, "captions": CAPTIONS})
    write(tmp_path / "sbu-captions-all.json", text[:-20])
    with pytest.raises(ValueError, match=r"sbu-captions-all\.json line 1 column \d+: not JSON .* damaged or not whole"):
        read_sbu(tmp_path)


def test_missing_files_are_named(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"read_sbu: there is no SBU_.*_urls\.txt and .*, or sbu-captions-all\.json"):
            read_sbu(folder)
    write(tmp_path / URLS_FILE, URLS[0])
    with pytest.raises(FileNotFoundError, match=r"there is no SBU_.*_captions\.txt beside .*_urls\.txt; give the folder"):
        read_sbu(tmp_path)
    (tmp_path / URLS_FILE).rename(tmp_path / CAPTIONS_FILE)
    with pytest.raises(FileNotFoundError, match=r"there is no SBU_.*_urls\.txt beside .*_captions\.txt; give the folder"):
        read_sbu(tmp_path)


def test_by_name(tmp_path, capsys):
    download([release(tmp_path) / "images" / name for name in BY_URL], lost=[2])
    data = open_captions("sbu", str(tmp_path), 32)
    assert [r.image_id for r in data.records] == [1, 3] and data[0][0].shape == (3, 32, 32)
    assert "sbu: 1 of 3 picture files are missing: 3183472382_156bcbc461.jpg" in capsys.readouterr().out
